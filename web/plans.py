"""The plan of the building: an alarm lights its place, a press shows the nearest camera, the administrator places.

A mark is placed by percent in SVG attributes over the picture, so it keeps its size on every screen and needs no
inline style. Everything on the plan is also in its list, for the keyboard and for readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import plans
from appliance.alarm_board import BoardAlarm
from appliance.model import N_, ApplianceError, Message, Role, message
from appliance.plans import Floor, Place, Subject
from web import alarms, cameras, context
from web.alarms import Seen
from web.cameras import Plate
from web.rights import needs

views = Blueprint("plans", __name__)

UPLOAD_BYTES = 40_000_000  # of the whole form; how large a picture may be is said by appliance/drawings.py in words
# A picture is looked at, never run: not even what might have passed the cleaning could fetch or start anything.
PICTURE_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True, slots=True)
class Mark:
    """One zone or camera on the plan. `known`: its panel is heard, so that silence means quiet."""

    subject: Subject
    x: float
    y: float
    alarms: tuple[BoardAlarm, ...]
    known: bool
    chosen: bool

    @property
    def worst(self) -> BoardAlarm | None:
        return self.alarms[0] if self.alarms else None

    @property
    def percent(self) -> tuple[str, str]:
        return f"{self.x * 100:.2f}%", f"{self.y * 100:.2f}%"

    @property
    def leftwards(self) -> bool:
        """Its word stands to the left, where there is room."""
        return self.x > 0.6


@dataclass(frozen=True, slots=True)
class Standing:
    """What the board holds, by the zone it came from; `adrift`: alarms whose zone is on no plan."""

    seen: Seen
    by_zone: Mapping[str, tuple[BoardAlarm, ...]]
    placed: Mapping[str, int]
    adrift: tuple[BoardAlarm, ...]

    def on(self, floor: Floor) -> list[BoardAlarm]:
        """The alarms of a floor, worst first, as on the board."""
        here = [alarm for zone, found in self.by_zone.items() if self.placed.get(zone) == floor.id for alarm in found]
        order = [alarm.id for alarm in self.seen.alarms]
        return sorted((alarm for alarm in here if alarm.aside is None), key=lambda alarm: order.index(alarm.id))

    def heard(self, panel: str | None) -> bool:
        links = {link.panel: link.state for link in self.seen.board.links}
        return not self.seen.deaf and links.get(panel or "") in ("heard", "passive")


def standing() -> Standing:
    db, found = context.database(), alarms.seen()
    trusted = context.person().role is Role.SECURITY
    aside = [alarm for alarm in found.board.quiet if trusted or not alarm.silent]
    zones = plans.zones_of(db, context.config(), [alarm.id for alarm in (*found.alarms, *aside)])
    placed = {place.subject: place.floor for place in plans.places(db) if place.sort == "zone"}
    by_zone: dict[str, tuple[BoardAlarm, ...]] = {}
    for alarm in (*found.alarms, *aside):
        if alarm.id in zones:
            name = plans.zone_name(zones[alarm.id])
            by_zone[name] = (*by_zone.get(name, ()), alarm)
    adrift = tuple(a for a in found.alarms if a.id not in zones or plans.zone_name(zones[a.id]) not in placed)
    return Standing(found, by_zone, placed, adrift)


@views.url_value_preprocessor
def _pictures_are_large(endpoint: str | None, _: dict[str, Any] | None) -> None:
    """Before the form is read, and only for who may upload: everybody else keeps the small limit."""
    if request.method == "POST" and endpoint in ("plans.add", "plans.change") and context.may("plans.change"):
        request.max_content_length = UPLOAD_BYTES


@views.get("/plan")
@needs("plans.read")
def plan() -> ResponseReturnValue:
    """To the floor with the worst alarm, else the lowest."""
    known, found = plans.floors(context.database()), standing()
    if not known:
        return context.page("plan_none.html", adrift=found.adrift, drawings=alarms.DRAWINGS)
    ranks = {floor.id: min((a.group.rank for a in found.on(floor)), default=99) for floor in known}
    return redirect(url_for("plans.floor", floor_id=min(known, key=lambda floor: ranks[floor.id]).id))


@views.get("/plan/<int:floor_id>")
@needs("plans.read")
def floor(floor_id: int) -> ResponseReturnValue:
    db, found = context.database(), standing()
    shown, asked = plans.floor(db, floor_id), request.args.get("zone", "")
    marks = _marks(plans.places(db, floor_id), found, asked)
    chosen = next((mark for mark in marks if mark.chosen), None)
    return context.page(
        "plan.html", floor=shown, marks=marks, drawings=alarms.DRAWINGS, adrift=found.adrift, chosen=chosen,
        here=found.on(shown), unheard=sum(not mark.known for mark in marks), as_list="list" in request.args,
        tabs=[(each, found.on(each)) for each in plans.floors(db)], near=_near(chosen) if chosen else [],
    )  # fmt: skip


def _marks(places: list[Place], found: Standing, asked: str) -> list[Mark]:
    """Quiet ones first, so that an alarm is drawn over them. What the configuration no longer has is not drawn."""
    known = {subject.key: subject for subject in plans.subjects(context.config())}
    marks = []
    for place in places:
        subject = known.get((place.sort, place.subject))
        if subject is not None:
            of_zone = subject.sort == "zone"
            standing_here = found.by_zone.get(subject.name, ()) if of_zone else ()
            heard = not of_zone or found.heard(subject.panel)
            chosen = of_zone and subject.name == asked
            marks.append(Mark(subject, place.x, place.y, standing_here, heard, chosen))
    return sorted(marks, key=lambda m: -m.worst.group.rank if m.worst else -99 if m.subject.sort == "zone" else -100)


def _near(mark: Mark) -> list[Plate]:
    """The cameras near a place with their newest pictures, the nearest first."""
    db, config = context.database(), context.config()
    zone = next((zone for zone in config.zones if plans.zone_name(zone) == mark.subject.name), None)
    plates = {plate.camera.id: plate for plate in cameras.plates_of(db, config)}
    return [plates[camera.id] for camera in plans.near(db, config, zone)]


@views.get("/plan/<int:floor_id>/picture")
@needs("plans.read")
def picture(floor_id: int) -> ResponseReturnValue:
    media, data = plans.picture(context.database(), floor_id)
    answer = Response(data, mimetype=media)
    answer.headers["Content-Security-Policy"] = PICTURE_CSP
    answer.headers["Content-Disposition"] = "inline; filename=plan"
    return answer


@views.get("/plan/add")
@needs("plans.change")
def adding() -> ResponseReturnValue:
    levels = [floor.level for floor in plans.floors(context.database())]
    return _form("plan_add.html", title="", level=max(levels, default=0) + 1)


@views.post("/plan/add")
@needs("plans.change")
def add() -> ResponseReturnValue:
    title, level = _title_and_level()
    try:
        data = _uploaded()
        if data is None:
            raise ApplianceError(N_("Choose the picture of the floor: SVG, PNG or JPEG."))
        made = plans.add(context.database(), context.house().clock, context.person(), title, level, data)
    except ApplianceError as refused:
        return _form("plan_add.html", title=title, level=level, refusal=refused.message), 409
    context.tell(message(N_("The plan of {title} is here. Now place its zones and cameras."), title=made.title))
    return redirect(url_for("plans.edit", floor_id=made.id))


@views.get("/plan/<int:floor_id>/edit")
@needs("plans.change")
def edit(floor_id: int) -> ResponseReturnValue:
    return _edit_page(floor_id)


def _edit_page(floor_id: int, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    """The picture with what is placed on it, what is not placed yet, and the form for one thing."""
    db, config = context.database(), context.config()
    shown, everywhere = plans.floor(db, floor_id), plans.places(db)
    here = {(place.sort, place.subject): place for place in everywhere if place.floor == floor_id}
    titles = {floor.id: floor.title for floor in plans.floors(db)}
    elsewhere = {(p.sort, p.subject): titles[p.floor] for p in everywhere if p.floor != floor_id}
    every = plans.subjects(config)
    known = {subject.key: subject for subject in every}
    open_ones = [subject for subject in every if subject.key not in here and subject.key not in elsewhere]
    asked = tuple(request.values.get("subject", "").split(":", 1))
    chosen = next((subject for subject in every if subject.key == asked), None)
    chosen = chosen or next(iter([*open_ones, *every]), None)
    lost = [place for key, place in here.items() if key not in known]
    return context.page(
        "plan_edit.html", floor=shown, subjects=every, here=here, elsewhere=elsewhere, chosen=chosen, lost=lost,
        open_count=len(open_ones), refusal=refusal, known=known,
    ), status  # fmt: skip


@views.post("/plan/<int:floor_id>/place")
@needs("plans.change")
def place(floor_id: int) -> ResponseReturnValue:
    house, (sort, name) = context.house(), _subject()
    try:
        x, y = (request.form.get(side, default=-1.0, type=_percent) / 100 for side in ("x", "y"))
        plans.put(context.database(), house.config, house.clock, context.person(), floor_id, sort, name, x, y)
    except ApplianceError as refused:
        return _edit_page(floor_id, refused.message, 409)
    context.tell(message(N_("Placed: {what}."), what=_title_of(sort, name)))
    return redirect(url_for("plans.edit", floor_id=floor_id, _anchor="place-form"))


@views.post("/plan/<int:floor_id>/take")
@needs("plans.change")
def take(floor_id: int) -> ResponseReturnValue:
    sort, name = _subject()
    plans.take(context.database(), context.house().clock, context.person(), floor_id, sort, name)
    context.tell(message(N_("Taken off the plan: {what}."), what=_title_of(sort, name)))
    return redirect(url_for("plans.edit", floor_id=floor_id))


@views.post("/plan/<int:floor_id>/change")
@needs("plans.change")
def change(floor_id: int) -> ResponseReturnValue:
    title, level = _title_and_level()
    try:
        plans.change(context.database(), context.house().clock, context.person(), floor_id, title, level, _uploaded())
    except ApplianceError as refused:
        return _edit_page(floor_id, refused.message, 409)
    context.tell(message(N_("Saved: {title}. What is placed stays where it was."), title=title))
    return redirect(url_for("plans.edit", floor_id=floor_id))


@views.get("/plan/<int:floor_id>/remove")
@needs("plans.change")
def removing(floor_id: int) -> ResponseReturnValue:
    """What cannot be taken back has a page of its own, with the way back first."""
    db = context.database()
    return context.page("plan_remove.html", floor=plans.floor(db, floor_id), count=len(plans.places(db, floor_id)))


@views.post("/plan/<int:floor_id>/remove")
@needs("plans.change")
def remove(floor_id: int) -> ResponseReturnValue:
    db = context.database()
    gone = plans.floor(db, floor_id)
    plans.remove(db, context.house().clock, context.person(), floor_id)
    context.tell(message(N_("Removed: the plan of {title}."), title=gone.title))
    return redirect(url_for("plans.plan"))


def _form(template: str, *, title: str, level: int, refusal: Message | None = None) -> str:
    return context.page(template, title=title, level=level, refusal=refusal)


def _title_and_level() -> tuple[str, int]:
    return request.form.get("title", "").strip()[:200], request.form.get("level", default=999, type=int)


def _uploaded() -> bytes | None:
    sent = request.files.get("picture")
    return (sent.read() or None) if sent is not None and sent.filename else None


def _subject() -> tuple[str, str]:
    sort, _, name = request.form.get("subject", "")[:300].partition(":")
    return sort, name


def _percent(text: str) -> float:
    return float(text.strip().replace(",", "."))


def _title_of(sort: str, name: str) -> dict[str, str] | str:
    return next((s.title for s in plans.subjects(context.config()) if s.key == (sort, name)), name)
