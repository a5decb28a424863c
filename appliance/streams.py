"""The two streams of a camera: the main one, which must be recorded, and a second one where both are asked for.

Required hours, gaps, alarms, seals, reports and packages speak of the main stream alone. The second is kept beside it,
in a folder of its own: no camera's name has a dot in it.
"""

from __future__ import annotations

from typing import Literal

Stream = Literal["main", "second"]
ALL: tuple[Stream, ...] = ("main", "second")
SECOND = ".second"


def folder_of(camera: str, stream: Stream) -> str:
    """The name of the folder a stream's files are in."""
    return camera + SECOND if stream == "second" else camera


def of_folder(folder: str) -> tuple[str, Stream]:
    """Camera and stream of such a folder."""
    camera = folder.removesuffix(SECOND)
    return camera, "main" if camera == folder else "second"
