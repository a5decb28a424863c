"""What printers and pagers say, in the books: an alarm ends with the line that ends it, and with no other."""

from __future__ import annotations

from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from appliance import alarms, store
from appliance.config import Config
from appliance.store import Database
from drivers.panels import open_panel
from drivers.types import Codec
from tests.fakes import panel_site
from tests.vectors.espa import E2, E3
from tests.vectors.printer import AFP, L7, L8, PROFILES

ALARM = ":ALARM Z001 1.1.Z1 HALL 22/11 09:00;"
FAULT = ":FAULT (F01) Z001 1.1.Z1 HALL 22/11 09:01;"


class Books:
    """A site's database that a panel's bytes are written into."""

    def __init__(self, config: Config, codec: Codec) -> None:
        self.config, self.codec, self.clock = config, codec, panel_site.fake_clock()
        self.db: Database = panel_site.database(config)

    def hear(self, *said: str | bytes) -> None:
        for piece in said:
            for frame in self.codec.feed(piece.encode() + b"\r\n" if isinstance(piece, str) else piece):
                with store.transaction(self.db):
                    alarms.record(self.db, self.config, "security", frame, self.clock)
            self.clock.advance(1)

    def standing(self) -> list[tuple[str, str | None]]:
        rows = self.db.rows("select kind, zone from alarm where restored_at is null order by id")
        return [(row["kind"], row["zone"]) for row in rows]


@pytest.fixture
def afp(tmp_path: Path) -> Books:
    return Books(panel_site.site(tmp_path), open_panel("printer", AFP))


def test_a_fire_ends_with_its_reset_and_not_with_its_acknowledgement_at_the_panel(afp: Books) -> None:
    afp.hear(ALARM, ALARM.replace("ALARM", "ACKD ALARM"))
    assert afp.standing() == [("fire.alarm", "Z001/1.1.Z1")]
    afp.hear(ALARM.replace("ALARM", "RESET ALARM").replace("1.1.Z1", "1.2.Z1"))
    assert afp.standing() == [("fire.alarm", "Z001/1.1.Z1")]
    afp.hear(ALARM.replace("ALARM", "RESET ALARM"))
    assert afp.standing() == []


def test_fault_over_ends_whatever_fault_the_point_has_and_no_fire(afp: Books) -> None:
    afp.hear(L7, ALARM, FAULT)
    afp.hear(L8)
    assert afp.standing() == [("fire.alarm", "Z001/1.1.Z1"), ("fault", "Z001/1.1.Z1")]
    afp.hear(":RESET FAULT Z001 1.1.Z1 HALL 22/11 09:02;")
    assert afp.standing() == [("fire.alarm", "Z001/1.1.Z1")]


def test_a_line_no_rule_knows_is_kept_each_time_and_raises_nothing(afp: Books) -> None:
    afp.hear("PAPER LOW", "PAPER LOW", "PAPER LOW")
    assert [row["text"] for row in afp.db.rows("select text from event")] == ["PAPER LOW"] * 3
    assert afp.standing() == []


def test_the_panel_s_time_is_kept_with_the_year_it_was_heard_in(afp: Books) -> None:
    afp.hear(ALARM)
    assert afp.db.value("select panel_time from event") == "2026-11-22T09:00:00"


def test_system_normal_ends_everything(tmp_path: Path) -> None:
    books = Books(panel_site.site(tmp_path), open_panel("printer", {"profile": str(PROFILES / "nfs2-3030.toml")}))
    books.hear("FIRE ALARM: SMOKE L01D001", "TROUBLE: L01M002")
    assert len(books.standing()) == 2
    books.hear("SYSTEM RESET")
    assert len(books.standing()) == 2
    books.hear("SYSTEM NORMAL")
    assert books.standing() == []


def test_a_cancelled_call_ends_the_fire_it_called(tmp_path: Path) -> None:
    books = Books(panel_site.site(tmp_path), open_panel("espa", {}))
    books.hear(E2, E2)
    assert books.standing() == [("fire.alarm", "8415")]
    assert books.db.value("select count(*) from event") == 1  # the same block within 10 s: the panel heard no answer
    books.hear(E3)
    assert books.standing() == []


def test_a_cancelled_call_that_does_not_say_of_what_ends_the_fault_it_called(tmp_path: Path) -> None:
    books = Books(panel_site.site(tmp_path), open_panel("espa", {}))
    called = b"1\x021\x1f9\x1e2\x1fPUMP HALL\x1e6\x1f2\x03"
    cancelled = b"1\x021\x1f9\x1e2\x1fPUMP HALL\x1e4\x1f1\x03"
    books.hear(b"\x01" + called + bytes([reduce(xor, called)]))
    assert books.standing() == [("fault", "9")]
    books.hear(b"\x01" + cancelled + bytes([reduce(xor, cancelled)]))
    assert books.standing() == []
