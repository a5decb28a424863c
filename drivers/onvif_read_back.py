"""Changes something in a camera and reads it back: a camera that says OK and changes nothing is found out.

Tapo C200 answers 200 to every change of its users and does nothing (onvif.md, end of section 3); others round what they
are given. So no change counts before the camera itself says the new value.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from drivers.onvif_parts import Asked
from drivers.onvif_reply import CameraError
from drivers.types import SetResult

T = TypeVar("T")

LOOKS = 4  # a camera may need a moment until it says what it was told
BETWEEN_S = 0.4
NOTHING_CHANGED = "The camera said yes and changed nothing."
SOMETHING_ELSE = "The camera said yes and made something else of it."
NOT_SAID = "The camera said yes but does not tell what it has now. {cause}"

Wait = Callable[[float], object]


def changed(
    wanted: str,
    change: Callable[[], object],
    read: Callable[[], T],
    fits: Callable[[T], bool],
    *,
    say: Callable[[T], str] = str,
    before: str = "",
    as_before: Callable[[T], bool] | None = None,
    note: str = "",
    wait: Wait = time.sleep,
) -> SetResult:
    """Make a change and look whether it came to be.

    What the camera refuses is a result that is not ok. CameraError is raised when it cannot be reached, or refuses the
    password: then nobody knows, and a loop may try again or must not.
    """
    try:
        change()
    except CameraError as error:
        if gone(error):
            raise
        return SetResult(wanted, before, False, str(error), before)
    found = None
    for look in range(LOOKS):
        if look:
            wait(BETWEEN_S)
        try:
            found = read()
        except CameraError as error:
            if gone(error):
                raise
            return SetResult(wanted, "", False, NOT_SAID.format(cause=error), before)
        if fits(found):
            return SetResult(wanted, say(found), True, note, before)
    said = "" if found is None else say(found)
    same = said == before if as_before is None or found is None else as_before(found)
    fault = NOTHING_CHANGED if same else SOMETHING_ELSE
    return SetResult(wanted, said, False, f"{fault} {note}".strip(), before)


class Strict:
    """A camera for reading back: one that does not answer any more is an error here, never an empty list."""

    def __init__(self, camera: Asked) -> None:
        self.ask, self.once, self.has = camera.ask, camera.once, camera.has
        self.note, self.reach = camera.note, camera.reach
        self._camera = camera

    def attempt(
        self, what: str, read: Callable[[], T], otherwise: T, *, optional: bool = False, quiet: bool = False
    ) -> T:
        lost: list[CameraError] = []

        def looked() -> T:
            try:
                return read()
            except CameraError as error:
                if gone(error):
                    lost.append(error)
                raise

        found = self._camera.attempt(what, looked, otherwise, optional=optional, quiet=quiet)
        if lost:
            raise lost[0]
        return found


def gone(error: CameraError) -> bool:
    """Whether an error says nothing of the change itself: no camera there, or it does not know us."""
    return error.permanent or error.reason in ("unreachable", "silent")
