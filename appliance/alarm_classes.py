"""What the classes of panel events mean to people: which stands first, which latches, which asks for a word.

Classes come from the drivers (docs/panels.md lists them); the groups, their order and their marks are those of the
alarm board: fire, attention, panic, intrusion, recording interrupted, tamper, no link, fault, then what is switched off
or in test.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.model import N_


@dataclass(frozen=True, slots=True)
class Group:
    """One group of classes. `rank` 0 stands on top.

    `latched`: stays on the board, acknowledged or not, until the panel itself is reset (EN 54-2).
    `needs_comment`: an acknowledgement says what is being done. `silent`: the wall must not give the person away.
    `again`: once acknowledged, the same again is a new call, not a repeat.
    """

    name: str
    rank: int
    title: str
    latched: bool = False
    needs_comment: bool = False
    again: bool = False


FIRE = Group("fire", 0, N_("Fire"), latched=True, needs_comment=True)
ATTENTION = Group("attention", 1, N_("Attention"))
PANIC = Group("panic", 2, N_("Panic"), latched=True, needs_comment=True, again=True)
INTRUSION = Group("intrusion", 3, N_("Intrusion"))
RECORDING = Group("recording", 4, N_("Recording interrupted"), again=True)
TAMPER = Group("tamper", 5, N_("Tamper"))
NO_LINK = Group("nolink", 6, N_("No link"))
FAULT = Group("fault", 7, N_("Fault"))
DISABLED = Group("disabled", 8, N_("Disabled"))
TEST = Group("test", 9, N_("Test"))
INFORMATION = Group("info", 10, N_("Information"))

GROUPS = (FIRE, ATTENTION, PANIC, INTRUSION, RECORDING, TAMPER, NO_LINK, FAULT, DISABLED, TEST, INFORMATION)

_BY_KIND = {
    "fire.alarm": FIRE, "extinguishing": FIRE,
    "fire.prealarm": ATTENTION, "fire.supervisory": ATTENTION, "gas.alarm": ATTENTION,
    "panic": PANIC, "panic.silent": PANIC, "duress": PANIC, "medical": PANIC,
    "intrusion.alarm": INTRUSION,
    "recording.gap": RECORDING,
    "tamper": TAMPER, "picture.dark": TAMPER, "picture.covered": TAMPER, "picture.turned": TAMPER,
    "comm.loss": NO_LINK, "camera.silent": NO_LINK,
    "fault": FAULT, "mains.loss": FAULT, "battery.low": FAULT, "flood.alarm": FAULT, "tech.alarm": FAULT,
    "access": FAULT, "picture.frozen": FAULT,
    "bypass": DISABLED,
    "test": TEST,
}  # fmt: skip

LISTED = frozenset(_BY_KIND)
# Only the box says these, of what it records and sees itself. A panel's profile cannot: what stands below Recording
# interrupted must be so, and a panel does not know.
OWN = frozenset({
    "recording.gap", "camera.silent", "picture.dark", "picture.covered", "picture.turned", "picture.frozen",
})  # fmt: skip
SILENT = frozenset({"panic.silent", "duress"})
ONVIF = "onvif/"  # how the codes of what cameras tell begin: a dark picture's end is no end of a covered one


def group_of(kind: str) -> Group:
    """The group of a class, for what is said once; see `active_group` for what lasts."""
    return _BY_KIND.get(kind, INFORMATION)


def active_group(kind: str) -> Group:
    """The group of something that is active now: never mere information, whatever a driver calls it."""
    found = group_of(kind)
    return FAULT if found is INFORMATION else found


def family(kind: str, code: str) -> str:
    """What pairs an alarm with its end. Faults of one point, and all a camera tells, are told apart by the code."""
    apart = group_of(kind) in (FAULT, DISABLED, TEST) or code.startswith(ONVIF)
    return f"{kind}:{code}" if apart and code else kind
