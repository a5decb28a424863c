"""The last net for codes: a PIN or a password that a panel prints is starred out before anything is kept or shown.

Drivers mask what they know to be a code (the printer's rules have `mask`). What no rule knows is kept as it came, so
here words that announce a code are looked for, in text and in raw: the digits are ASCII in every encoding we read.
"""

from __future__ import annotations

import re
from dataclasses import replace

from drivers.types import Frame, PanelEvent

_WORDS = (
    r"pin|pin[ -]?code|pass(?:word|code)|(?:user|access|arm(?:ing)?|master) code"
    r"|пин|пин[ -]?код|пароль|код (?:пользователя|доступа|снятия|взятия|хозоргана)"
)
_CODE = re.compile(rf"(?i)\b(?:{_WORDS})[ \t]*(?:is|no\.?|№)?[ \t]{{0,3}}[:=#]?[ \t]{{0,3}}(\d{{3,12}})\b")


def masked(frame: Frame) -> Frame:
    """The frame with every announced code starred out."""
    if not any(_CODE.search(event.text) for event in frame.events):
        return frame
    codes = {found[1] for event in frame.events for found in _CODE.finditer(event.text)}
    events = tuple(_masked(event, codes) for event in frame.events)
    return replace(frame, raw=_starred(frame.raw, codes), events=events)


def _masked(event: PanelEvent, codes: set[str]) -> PanelEvent:
    text = event.text
    for code in codes:
        text = text.replace(code, "*" * len(code))
    user = "*" * len(event.user) if event.user in codes else event.user
    return replace(event, text=text, raw=_starred(event.raw, codes), user=user)


def _starred(raw: bytes, codes: set[str]) -> bytes:
    for code in codes:
        raw = raw.replace(code.encode("ascii"), b"*" * len(code))
    return raw
