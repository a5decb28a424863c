"""The bar of a day: cut to its hours, joined where recordings touch, marked with round times of the site's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.words import Words
from web.charts import WIDTH, bar, joined

WORDS = Words("en", ZoneInfo("Asia/Yekaterinburg"))
NINE = datetime(2026, 11, 22, 4, tzinfo=UTC)  # 09:00 there
HOUR = timedelta(hours=1)


def test_pieces_stand_where_their_time_is() -> None:
    drawn = bar(NINE, NINE + 4 * HOUR, [("recorded", [(NINE + HOUR, NINE + 2 * HOUR)])], NINE - HOUR, WORDS)
    assert [(p.kind, p.x, p.width, p.title) for p in drawn.pieces] == [
        ("recorded", WIDTH / 4, WIDTH / 4, "10:00:00–11:00:00")]  # fmt: skip


def test_what_reaches_over_the_edge_is_cut_and_what_lies_outside_is_left_out() -> None:
    spans = [(NINE - HOUR, NINE + HOUR), (NINE + 5 * HOUR, NINE + 6 * HOUR)]
    drawn = bar(NINE, NINE + 4 * HOUR, [("recorded", spans)], NINE - HOUR, WORDS)
    assert [(p.x, p.width) for p in drawn.pieces] == [(0.0, WIDTH / 4)]


def test_a_gap_of_a_second_in_a_long_day_is_still_to_be_seen() -> None:
    second = (NINE + HOUR, NINE + HOUR + timedelta(seconds=1))
    drawn = bar(NINE, NINE + 8 * HOUR, [("gap", [second])], NINE - HOUR, WORDS)
    assert drawn.pieces[0].width == 2.0


def test_now_is_marked_only_within_the_bar() -> None:
    assert [p.kind for p in bar(NINE, NINE + HOUR, [], NINE + HOUR / 2, WORDS).pieces] == ["now"]
    assert bar(NINE, NINE + HOUR, [], NINE + 2 * HOUR, WORDS).pieces == ()


@pytest.mark.parametrize(
    ("length", "marks"),
    [
        (timedelta(minutes=3), ["09:00:30", "09:01:00", "09:01:30", "09:02:00", "09:02:30"]),
        (4 * HOUR, ["10:00", "11:00", "12:00"]),
        (12 * HOUR, ["10:00", "12:00", "14:00", "16:00", "18:00", "20:00"]),
    ],
)
def test_hours_are_round_on_the_sites_clock(length: timedelta, marks: list[str]) -> None:
    assert [said for _, said in bar(NINE, NINE + length, [], NINE, WORDS).hours] == marks


def test_an_empty_bar_divides_by_nothing() -> None:
    assert bar(NINE, NINE, [("recorded", [])], NINE + HOUR, WORDS).pieces == ()


def test_recordings_that_touch_are_one_and_others_are_not() -> None:
    second = timedelta(seconds=1)
    found = joined([(NINE + HOUR, NINE + 2 * HOUR), (NINE, NINE + HOUR), (NINE + 2 * HOUR + second, NINE + 3 * HOUR)])
    assert found == [(NINE, NINE + 2 * HOUR), (NINE + 2 * HOUR + second, NINE + 3 * HOUR)]
