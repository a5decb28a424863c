"""The steps of the demo day: each is held when the journal says so, whoever did it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from appliance.clock import parse
from appliance.journal import Entry
from appliance.model import N_
from demo.site import CAMERAS, PANEL, SILENT_CAMERA

Test = Callable[[Entry], bool]


def kind_is(kind: str, **data: object) -> Test:
    """An entry of this kind whose data (or camera) has these values."""

    def test(entry: Entry) -> bool:
        return entry.kind == kind and all(
            entry.data.get(key, getattr(entry, key, None)) == value for key, value in data.items()
        )

    return test


@dataclass(slots=True)
class Step:
    """One step. `needs`: how many different cameras must say it (1 for most)."""

    name: str
    text: str
    test: Test
    needs: int = 1
    held_at: str | None = None
    seen: set[str] = field(default_factory=set)

    def look(self, entry: Entry) -> bool:
        """True when this entry completes the step."""
        if self.held_at is not None or not self.test(entry):
            return False
        self.seen.add(entry.camera or str(entry.seq))
        if len(self.seen) >= self.needs:
            self.held_at = entry.at
        return self.held_at is not None


def steps(silenced: Callable[[], datetime | None]) -> list[Step]:
    """The day in the order in which it is meant to happen. `silenced`: when the camera was made silent, once it was."""
    silent = SILENT_CAMERA
    return [
        Step("checks", N_("The checks ran by themselves"), kind_is("checks.finished")),
        Step("recording", N_("All cameras record"), kind_is("recording.started"), needs=len(CAMERAS)),
        Step("fire", N_("The smoke detector alarmed"), _alarm("alarm.raised")),
        Step("acknowledged", N_("Security acknowledged it"), _alarm("alarm.acknowledged")),
        Step("fire-over", N_("The smoke detector is quiet again"), _alarm("alarm.restored")),
        Step(
            "silent",
            N_("The camera of corridor 2 went silent"),
            either(kind_is("camera.silent", camera=silent), _gap_after(silenced)),
        ),
        Step(
            "returned", N_("It records again"), either(kind_is("camera.returned", camera=silent), _gap_after(silenced))
        ),
        Step("door", N_("The rack door was opened"), kind_is("door.opened")),
        Step("door-closed", N_("The rack door was closed"), kind_is("door.closed")),
        Step("explained", N_("The technician explained it"), kind_is("journal.explained")),
        Step("reviewed", N_("The head of site accepted the explanation"), kind_is("journal.reviewed")),
        Step("panel-lost", N_("The panel's line went dead"), kind_is("panel.lost", panel=PANEL)),
        Step("panel-heard", N_("The panel is heard again"), kind_is("panel.heard", panel=PANEL)),
        Step("stopped", N_("Recording stopped by the plan"), kind_is("recording.stopped"), needs=len(CAMERAS)),
        Step("sealed", N_("The archive is sealed"), kind_is("archive.sealed")),
        Step("agreed", N_("Security agreed that recordings leave"), kind_is("export.agreed")),
        Step("exported", N_("The recordings are on the stick and read back"), kind_is("export.finished")),
    ]


def either(one: Test, other: Test) -> Test:
    return lambda entry: one(entry) or other(entry)


def _gap_after(silenced: Callable[[], datetime | None]) -> Test:
    """The silence is a gap that ended after it began: a recorder killed in the middle of it tells it so."""

    def test(entry: Entry) -> bool:
        began_at = silenced()
        if entry.kind != "recording.gap" or entry.camera != SILENT_CAMERA or began_at is None:
            return False
        return parse(entry.data["to_at"]) > began_at

    return test


def _alarm(kind: str) -> Test:
    return lambda entry: entry.kind == kind and str(entry.data.get("class", "")).startswith("fire.")
