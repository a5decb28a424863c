"""What people do about alarms beside acknowledging: shelve, take out of service, put back, begin and end test mode."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import maintenance, shelving
from appliance.alarm_names import named, panel_name
from appliance.model import N_, ApplianceError, Message, message
from web import context, rights
from web.failures import NotAllowed
from web.rights import needs

views = Blueprint("alarm_acts", __name__)

LENGTHS_MIN = (15, 60, 240, 480)
REASONS = (N_("Under repair"), N_("Known, the service is called"), N_("False, the detector is being replaced"))
TESTS = (N_("Detectors are tested"), N_("The panel is serviced"), N_("Cables are worked on"))


def lengths(longest_min: float) -> list[int]:
    """The lengths offered, in minutes, as far as the profile allows them."""
    return [minutes for minutes in LENGTHS_MIN if minutes <= longest_min]


def reason() -> str:
    """The chip in the reader's words, the typed words, or both."""
    chosen, typed = request.form.get("why", ""), request.form.get("reason", "").strip()[:500]
    said = context.words().say(chosen) if chosen in (*REASONS, *TESTS) else ""
    return ". ".join(part for part in (said, typed) if part)


def minutes() -> float:
    return float(request.form.get("minutes", default=0, type=int))


def _told(said: str, number: int) -> ResponseReturnValue:
    context.tell(message(said, number=number))
    return redirect(url_for("alarms.board"))


def _refused(refused: ApplianceError, alarm_id: int) -> ResponseReturnValue:
    context.tell(refused.message, "error")
    return redirect(url_for("alarms.alarm", alarm_id=alarm_id))


@views.post("/alarms/<int:alarm_id>/shelve")
@needs("alarms.shelve")
def shelve(alarm_id: int) -> ResponseReturnValue:
    house = context.house()
    try:
        number = shelving.shelve(
            context.database(), house.config, house.clock, alarm_id, context.person(), minutes(), reason()
        )
    except ApplianceError as refused:
        return _refused(refused, alarm_id)
    return _told(N_("Shelved, recorded under no. {number}. It comes back by itself."), number)


@views.post("/alarms/<int:alarm_id>/out")
@needs("alarms.out")
def out(alarm_id: int) -> ResponseReturnValue:
    house = context.house()
    try:
        number = shelving.put_out(context.database(), house.config, house.clock, alarm_id, context.person(), reason())
    except ApplianceError as refused:
        return _refused(refused, alarm_id)
    return _told(N_("Out of service, recorded under no. {number}. It stays so until somebody puts it back."), number)


@views.post("/alarms/aside/<int:aside_id>/back")
@needs("alarms.read")
def back(aside_id: int) -> ResponseReturnValue:
    """Whoever may put it aside may put it back: guards what is shelved, technician and head what is out of service."""
    house, db = context.house(), context.database()
    put = next((a for a in shelving.current(db, house.config, context.now()).values() if a.id == aside_id), None)
    right = "alarms.out" if put is not None and put.how == "out" else "alarms.shelve"
    if put is not None and not rights.allows(context.person().role, right):
        raise NotAllowed(right)
    number = shelving.put_back(db, house.config, house.clock, aside_id, context.person())
    return _told(N_("Back in service, recorded under no. {number}."), number)


@views.get("/alarms/test")
@needs("alarms.test")
def test_form() -> ResponseReturnValue:
    return _test_page()


def _test_page(refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    config = context.config()
    places = [
        (str(number), message("{panel}, {zone}", panel=panel_name(config, zone.panel).as_json(),
                              zone=named(zone.name).as_json()))
        for number, zone in enumerate(config.zones)
    ]  # fmt: skip
    return context.page(
        "alarm_test.html", refusal=refusal, places=places,
        panels=[(panel.id, panel_name(config, panel.id)) for panel in config.panels],
        lengths=lengths(config.profile.alarms.test_longest_min), reasons=TESTS,
        typed={name: request.form.get(name, "") for name in ("place", "minutes", "why", "reason")},
    ), status  # fmt: skip


@views.post("/alarms/test")
@needs("alarms.test")
def begin_test() -> ResponseReturnValue:
    """`place` is "panel:ID" or the number of a configured zone."""
    house, db, place = context.house(), context.database(), request.form.get("place", "")
    try:
        if place.isascii() and place.isdigit() and int(place) < len(house.config.zones):
            zone = house.config.zones[int(place)]
            number = maintenance.begin(
                db, house.config, house.clock, context.person(), zone.panel, minutes(), reason(), zone=zone.number,
                account=zone.account, partition=zone.partition,
            )  # fmt: skip
        else:
            panel = place.removeprefix("panel:")
            number = maintenance.begin(db, house.config, house.clock, context.person(), panel, minutes(), reason())
    except ApplianceError as refused:
        return _test_page(refused.message, 409)
    return _told(N_("Test mode has begun, recorded under no. {number}. It ends by itself."), number)


@views.post("/alarms/test/<int:window_id>/end")
@needs("alarms.test")
def end_test(window_id: int) -> ResponseReturnValue:
    house = context.house()
    number = maintenance.end(context.database(), house.config, house.clock, window_id, context.person())
    return _told(N_("Test mode is over, recorded under no. {number}."), number)
