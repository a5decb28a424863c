"""The alarm log and the duty's hand-over: what they hold, who signs, and how they look on paper and as a table."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import accounts, alarm_log, duty, journal, paper_mark, prints
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.words import Words
from tests.fakes.panel_site import guard
from tests.test_alarm_model import Desk

PASSWORD = "long enough words"
WORDS = Words("ru", ZoneInfo("Asia/Yekaterinburg"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    assert journal.verify(journal.stored_rows(desk.db)).ok
    desk.db.conn.close()


@pytest.fixture
def smirnov(desk: Desk) -> Person:
    return guard(desk.db, desk.config, "smirnov", "Смирнов Олег Юрьевич")


def log(desk: Desk, *, silent: bool = True) -> tuple[alarm_log.Line, ...]:
    now = desk.clock.now()
    return alarm_log.lines(desk.db, desk.config, now - timedelta(days=1), now + timedelta(seconds=1), silent=silent)


def conclude(desk: Desk, alarm: int, word: str) -> int:
    return alarm_log.conclude(desk.db, desk.config, desk.clock, alarm, desk.petrov, word)


def hand_over(
    desk: Desk, number: int = 0, giving: str = "petrov", taking: str = "smirnov", word: str = PASSWORD
) -> int:
    desk.clock.advance(1)
    return duty.hand_over(desk.db, desk.config, desk.clock, (giving, PASSWORD), (taking, word), "Ключи сданы",
                          number=number)  # fmt: skip


def test_an_alarm_is_one_line_with_who_took_it_why_it_came_and_when_it_was_over(desk: Desk) -> None:
    recorded = desk.hears("fire.alarm")
    assert recorded.alarm is not None
    desk.take(recorded.alarm, "Иду на место")
    desk.hears("fire.alarm", over=True)
    conclude(desk, recorded.alarm, "Пар")
    conclude(desk, recorded.alarm, "Пар от чайника")
    (row,) = alarm_log.cells(WORDS, log(desk))
    assert row == [
        "22.11.2026 09:00:01", "Петров Николай Иванович", "Пожар; принято 09:00:01 Иду на место", "Дым, коридор 1",
        "Пар от чайника", "22.11.2026 09:00:02", "Петров Николай Иванович",
    ]  # fmt: skip
    assert [e.data["word"] for e in journal.entries(desk.db, kinds=["alarm.concluded"])] == ["Пар", "Пар от чайника"]


def test_an_alarm_without_a_conclusion_is_counted(desk: Desk) -> None:
    desk.hears("tamper")
    second = desk.hears("tamper", "002")
    assert alarm_log.open_count(log(desk)) == 2
    assert second.alarm is not None
    conclude(desk, second.alarm, "Ремонт")
    assert alarm_log.open_count(log(desk)) == 1


def test_a_conclusion_needs_words_and_an_alarm(desk: Desk) -> None:
    desk.hears("tamper")
    with pytest.raises(ApplianceError, match="what caused"):
        conclude(desk, 1, " ")
    with pytest.raises(ApplianceError, match="no alarm 9"):
        conclude(desk, 9, "Пар")


def test_a_test_is_one_line_that_names_what_answered(desk: Desk) -> None:
    desk.test(zone=None)
    for zone in ("001", "002", "001"):
        desk.hears("fire.alarm", zone)
    (line,) = log(desk)
    assert (line.alarm, alarm_log.open_count([line])) == (None, 0)
    (row,) = alarm_log.cells(WORDS, [line])
    assert row[2] == "Режим теста: Проверка шлейфа; сработало: Дым, коридор 1; сработало: зона 002, раздел 01"
    for number in range(10, 20):
        desk.hears("fire.alarm", f"0{number}")
    assert alarm_log.cells(WORDS, log(desk))[0][2].endswith("; и ещё 4")


def test_a_silent_call_that_stands_is_for_those_who_may_see_it(desk: Desk) -> None:
    recorded = desk.hears("duress")
    assert (len(log(desk)), len(log(desk, silent=False))) == (1, 0)
    assert recorded.alarm is not None
    desk.take(recorded.alarm)
    assert len(log(desk, silent=False)) == 1


def test_only_what_began_in_the_span_is_in_the_log(desk: Desk) -> None:
    desk.hears("tamper")
    now = desk.clock.now()
    assert len(alarm_log.lines(desk.db, desk.config, now, now + timedelta(seconds=1))) == 1
    assert alarm_log.lines(desk.db, desk.config, now - timedelta(seconds=1), now) == ()


def test_both_guards_sign_and_the_entry_holds_what_stood(desk: Desk, smirnov: Person) -> None:
    desk.hears("fire.alarm")
    desk.hears("tamper", "002")
    alarm = next(a for a in desk.board().alarms if a.kind == "tamper")
    desk.take(alarm.id)
    number = hand_over(desk)
    entry = duty.handed(desk.db)
    assert entry is not None
    assert (entry.seq, entry.actor.id, entry.data["taking"]) == (number, "petrov", smirnov.name)
    assert (entry.data["standing"], entry.data["open"], entry.data["unheard"][0]["args"]["name"]["en"]) == (
        2, 2, "Panel security",
    )  # fmt: skip
    desk.clock.advance(60)
    shift = duty.shift(desk.db, desk.config, desk.clock.now())
    assert (shift.number, shift.by, shift.signals) == (number, smirnov.name, 0)
    assert desk.last("ru") == (
        "Дежурство сдано: Петров Николай Иванович, принято: Смирнов Олег Юрьевич. Стоит тревог: 2, без заключения: 2")


def test_nobody_hands_over_alone_with_a_wrong_password_or_to_another_role(desk: Desk, smirnov: Person) -> None:
    accounts.add(desk.db, desk.config, desk.clock, Actor.service("init"), "orlov", "Орлов П. С.", Role.TECHNICIAN, "ru",
                 PASSWORD)  # fmt: skip
    for giving, taking, word, told in (
        ("petrov", " Petrov ", PASSWORD, "Two people sign"), ("petrov", "smirnov", "wrong", "did not match"),
        ("petrov", "orlov", PASSWORD, "two guards"), ("orlov", "smirnov", PASSWORD, "two guards"),
    ):  # fmt: skip
        with pytest.raises(ApplianceError, match=told):
            hand_over(desk, giving=giving, taking=taking, word=word)
    assert duty.handed(desk.db) is None


def test_a_second_press_hands_nothing_over_again(desk: Desk, smirnov: Person) -> None:
    number = hand_over(desk)
    with pytest.raises(ApplianceError, match=f"no. {number}"):
        hand_over(desk)
    assert hand_over(desk, number=number, giving="smirnov", taking="petrov") > number


def test_the_same_facts_give_the_same_paper(desk: Desk, smirnov: Person) -> None:
    desk.hears("fire.alarm")
    now = desk.clock.now()
    span = (now - timedelta(days=1), now)
    mark = paper_mark.newest(desk.db)
    once, again = (prints.alarm_log_pdf(desk.config, log(desk), span, now, mark) for _ in range(2))
    assert once == again
    assert once.startswith(b"%PDF-")
    assert b"PTSans" in once


def test_a_long_log_has_as_many_pages_as_it_needs(desk: Desk) -> None:
    for number in range(120):
        desk.hears("tamper", f"{number:03d}")
    now = desk.clock.now()
    pdf = prints.alarm_log_pdf(desk.config, log(desk), (now, now), now, paper_mark.newest(desk.db))
    pages = len(re.findall(rb"/Type /Page\b", pdf))
    assert pages > 3
    assert f"/Count {pages}".encode() in pdf


def test_a_word_as_long_as_the_page_and_markup_do_not_break_the_paper(desk: Desk) -> None:
    recorded = desk.hears("tamper")
    assert recorded.alarm is not None
    conclude(desk, recorded.alarm, "<b>x</b> & " + "я" * 480)
    now = desk.clock.now()
    mark = paper_mark.newest(desk.db)
    assert prints.alarm_log_pdf(desk.config, log(desk), (now, now), now, mark).startswith(b"%PDF-")


def test_the_table_opens_in_a_spreadsheet_and_runs_no_formula(desk: Desk) -> None:
    recorded = desk.hears("tamper")
    assert recorded.alarm is not None
    conclude(desk, recorded.alarm, '=HYPERLINK("http://x";"y")')
    text = prints.alarm_log_csv(desk.config, log(desk)).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert rows[0][3] == "Охраняемый объект (помещение), откуда поступил сигнал «тревога»"
    assert rows[1][4] == '\'=HYPERLINK("http://x";"y")'
    assert {len(row) for row in rows} == {7}


def test_the_duty_report_says_the_same_as_paper_and_as_a_table(desk: Desk, smirnov: Person) -> None:
    desk.hears("tamper")
    desk.shelve()
    desk.hears("fire.alarm", "002")
    number = hand_over(desk)
    entry = duty.handed(desk.db, number)
    assert entry is not None
    text = prints.duty_csv(desk.config, entry).decode("utf-8-sig").replace("\u00a0", " ")
    shelved = "Пожар, Дым, коридор 1: отложено до 22.11.2026 10:00. Ремонт окна. Петров Николай Иванович"
    assert f"Отложено и выведено из работы;{shelved}" in text
    assert "Замечания;Ключи сданы" in text
    assert prints.duty_pdf(desk.config, entry, desk.clock.now(), paper_mark.newest(desk.db)).startswith(b"%PDF-")


def test_the_fonts_are_those_the_list_names() -> None:
    folder = files("appliance").joinpath("fonts")
    listed = tomllib.loads(folder.joinpath("VENDOR.toml").read_text(encoding="utf-8"))["file"]
    for file in listed:
        data = folder.joinpath(file["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert {file["file"] for file in listed} == {p.name for p in folder.iterdir() if p.name.endswith(".ttf")}
