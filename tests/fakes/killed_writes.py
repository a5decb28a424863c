"""A process killed between any two of its writes to the database."""

from __future__ import annotations

import pytest

from appliance.store import Database, Params

WHOLE = Database.write


class Killed(BaseException):
    """What the kill is in a test: nothing in the house catches it."""


def killed_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """From now on so many writes succeed, and the next one raises `Killed`. Again: counted anew."""
    left = [writes]

    def write(self: Database, sql: str, params: Params = ()) -> object:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return WHOLE(self, sql, params)

    monkeypatch.setattr(Database, "write", write)
