"""A code that a panel prints is kept nowhere: not in the text, not in the raw bytes, not in the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.panels.codes import masked
from drivers.types import Frame, PanelEvent
from tests.fakes.panel_site import panel_table, site
from tests.fakes.peer_line import PeerLine
from tests.test_watch import Site, until


def frame(text: str, encoding: str = "cp866", **more: str) -> Frame:
    raw = text.encode(encoding)
    return Frame(raw, (PanelEvent("info.unparsed", "info", text=text, raw=raw, **more),))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["PIN 4711", "Pin-code: 4711", "USER CODE #4711 OK", "password 4711", "Пароль: 4711",
                                  "ввод: код доступа 4711", "ПИН-КОД 4711", "код пользователя № 4711"])  # fmt: skip
@pytest.mark.parametrize("encoding", ["cp866", "cp1251", "utf-8"])
def test_an_announced_code_is_starred_out(text: str, encoding: str) -> None:
    try:
        made = masked(frame(text, encoding))
    except UnicodeEncodeError:
        made = masked(frame(text.replace("№", "#"), "cp866"))
    (event,) = made.events
    assert "4711" not in event.text
    assert b"4711" not in event.raw + made.raw
    assert "****" in event.text


@pytest.mark.parametrize("text", ["ZONE 4711 OPEN", "FAULT CODE 12", "5011 181234E11001001", "Код неисправности 110",
                                  "PIN", "USER 005 ARMED", "SPIN 1234"])  # fmt: skip
def test_what_is_no_code_stays_as_it_came(text: str) -> None:
    assert masked(frame(text)) == frame(text)


def test_a_user_who_is_the_code_itself_is_starred_out() -> None:
    (event,) = masked(frame("PIN 4711", user="4711")).events
    assert event.user == "****"


class Mute:
    def answer(self, data: bytes) -> bytes:
        raise AssertionError(f"a printer was sent {data!r}")


def test_no_code_of_a_printed_line_is_anywhere_in_the_box(tmp_path: Path) -> None:
    line = PeerLine(tmp_path / "panel", Mute()).start()
    table = panel_table(line.link, kind="printer").replace("silent_after_s = 90.0", "")
    place = Site(site(tmp_path, table))
    place.watch()
    try:
        until(lambda: place.link() == "passive")
        line.say("Снятие, код доступа 4711\r\n".encode("cp866"))
        until(lambda: "panel.unparsed" in place.kinds())
        kept = json.dumps([place.db.rows("select * from event"), place.db.rows("select * from journal")])
        assert "4711" not in kept
        assert b"4711".hex() not in kept
        assert "****" in kept
    finally:
        place.close()
        line.stop()
