"""The page of the recording disks: how long they last, what goes next by rule, and what the head holds."""

from __future__ import annotations

import dataclasses

from appliance import archive, disk, exams, journal, store
from appliance.archive import totals
from appliance.model import Actor, Role
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor, text_of
from web import create_app

pytest_plugins = ["tests.web_fixtures"]


def test_it_says_how_long_the_disk_lasts_and_what_each_exam_keeps(after: Site) -> None:
    said = Visitor(create_app(after.config, after.clock)).sign_in(after, Role.TECHNICIAN).page("/disk")
    found = disk.forecast(after.db, after.config, after.clock.now())
    assert found.full_at is None
    assert "All that is planned fits" in said
    until = after.config.profile.retention.until(after.exam.ends_at.date())
    assert f"kept at least until {until.day} {until:%b %Y}, and until handed over" in said
    assert "The rule lets nothing go now." in said
    assert "Hold the recordings" not in said


def test_the_head_holds_an_exam_with_a_reason_and_lets_it_go_again(after: Site) -> None:
    app = create_app(after.config, after.clock)
    head = Visitor(app).sign_in(after, Role.HEAD)
    first, last = exams.span(after.config, after.exam)
    assert "Write why" in text_of(head.post("/disk/russian/hold", page="/disk", reason=" "))
    assert totals(after.db, first, last).held == 0
    assert "Held, recordings:" in head.press("/disk/russian/hold", page="/disk", reason="Appeal 12")
    now = totals(after.db, first, last)
    assert now.held == now.files > 0
    assert "No longer held, recordings:" in head.press("/disk/russian/release", page="/disk", reason="Closed")
    assert totals(after.db, first, last) == dataclasses.replace(now, held=0)
    told = journal.entries(after.db, kinds=["archive.held", "archive.released"])
    assert [(e.data["reason"], e.actor.id) for e in told] == [("Appeal 12", "ivanova"), ("Closed", "ivanova")]


def test_what_the_rule_lets_go_next_is_named_with_its_day_and_why(after: Site) -> None:
    with store.transaction(after.db):
        journal.append(after.db, after.clock, "export.finished", Actor.service("archivist"), exam="russian")
    after.clock.advance(86_400.0 * 400)
    said = Visitor(create_app(after.config, after.clock)).sign_in(after, Role.HEAD).page("/disk")
    assert "The rule lets nothing go now." not in said
    (day,) = archive.days(after.db, "main")
    assert "What goes next by rule 1 Deleted only when a disk runs short of space, the first of these first;" in said
    assert f"{int(day[8:])} Nov 2026" in said.split("What goes next by rule")[1].split("Exams")[0]
