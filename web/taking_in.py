"""Cameras are found and taken in: a search, a password typed once for all of them, one press a camera."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue

from appliance import found, orders, sealed, taken
from appliance.camera_words import ACTS, KIND, ORDER, WHAT, sentences
from appliance.clock import iso
from appliance.config import Camera, Config, Room
from appliance.found import Found
from appliance.model import N_, Message, message
from appliance.orders import Order
from appliance.profile import Words
from web import context
from web.rights import needs

views = Blueprint("taking_in", __name__)

# How each answered: the chip's look, its icon, the word, what to do about it.
STATES: dict[str, tuple[str, str, str, str]] = {
    "ours": ("plain", "check", N_("The site's camera"), ""),
    "found": ("grey", "circle", N_("Found, not asked yet"), ""),
    "asking": ("grey", "refresh-cw", N_("Being asked"), ""),
    "answers": ("plain", "check", N_("Answers"), ""),
    "strange": ("outline", "info", N_("Answers strangely"), N_("It can be taken in; what it cannot is said here.")),
    "asks": ("outline", "key-round", N_("Asks for a password"), N_("Type it below, once for all.")),
    "refused": ("fault", "key-round", N_("Refused the password"), N_(
        "It was tried once and is not tried again: most cameras lock themselves after a few. Type the right one below."
    )),
    "silent": ("unknown", "unplug", N_("Gives no answer"), N_("Switch it off and on, then search again.")),
    "foreign": ("unknown", "unplug", N_("Does not speak ONVIF"), N_("Switch ONVIF on in its own settings.")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """One found camera on the page. `order`: how far taking it in is; `room`: the one suggested."""

    found: Found
    state: str
    camera: Camera | None
    order: Order | None
    room: str

    @property
    def may_take(self) -> bool:
        busy = self.order is not None and self.order.state in orders.OPEN
        return self.state in ("answers", "strange") and not busy


def cards_of(config: Config) -> list[Card]:
    """In the order they were found, each with the next room that has no camera yet."""
    db = context.database()
    rows, asked = taken.rows(db), [order for order in orders.recent(db, KIND, 200) if order.args["act"] == "take"]
    free = [room.code for room in config.rooms if all(camera.room != room.code for camera in config.cameras)]
    cards = []
    for one in found.all_of(db):
        camera = found.ours(one, config.cameras, rows)
        state = "ours" if camera is not None else one.state
        order = next((order for order in asked if order.args.get("found") == one.number), None)
        room = free.pop(0) if state in ("answers", "strange") and free else ""
        cards.append(Card(one, state, camera, order, room))
    return cards


@views.get("/cameras/find")
@needs("cameras.take")
def find() -> ResponseReturnValue:
    return _page()


def _page(refusal: Message | None = None, typed: dict[str, str] | None = None) -> str:
    config = context.config()
    recent = [order for order in orders.recent(context.database(), KIND, 50) if order.args["act"] in ("search", "look")]
    cards = cards_of(config)
    return context.page(
        "cameras_find.html", cards=cards, states=STATES, rooms=config.rooms, recent=recent[:1], refusal=refusal,
        typed=typed or {}, what_words=what_words,
        in_words=in_words, waiting=[card for card in cards if card.state in ("asks", "refused")],
        searched=any(order.args["act"] == "search" for order in recent), key=secrets.token_hex(8),
    )  # fmt: skip


def what_words(what: str) -> str:
    """What was set, in the reader's language."""
    return WHAT[what][context.words().language]


def in_words(said: str) -> str:
    """What a driver said of a camera, in the reader's language as far as there are words."""
    return " ".join(context.words().say(one) for one in sentences(said))


def place(act: str, target: str | dict[str, Any], **args: Any) -> int:
    """Order it; the keeper does it. `target`: what the journal says it is asked of, in both languages or as typed."""
    house = context.house()
    what = message(ACTS[act].title).as_json()
    return orders.place(context.database(), house.clock, KIND, {"act": act, "what": what, "target": target, **args},
                        context.person(), key=request.form.get("key") or None)  # fmt: skip


def sealed_word(password: str) -> str:
    """A typed password as an order carries it: only the keeper can read it."""
    return base64.b64encode(sealed.seal(context.house().config.data, ORDER, password)).decode()


@views.post("/cameras/find")
@needs("cameras.take")
def search() -> ResponseReturnValue:
    place("search", message(N_("all networks of the box")).as_json())
    return redirect(url_for("taking_in.find"))


@views.post("/cameras/find/password")
@needs("cameras.take")
def password() -> ResponseReturnValue:
    """One password for every camera that asks; each is shown it once."""
    user, word = request.form.get("user", "").strip()[:64], request.form.get("password", "")[:128]
    if not user or not word:
        return _page(message(N_("Type the cameras' user name and password.")), {"user": user}), 422
    place("look", message(N_("all that ask for a password")).as_json(), user=user, secret=sealed_word(word))
    return redirect(url_for("taking_in.find"))


@views.post("/cameras/find/address")
@needs("cameras.take")
def address() -> ResponseReturnValue:
    typed = {name: request.form.get(name, "").strip()[:200] for name in ("address", "user")}
    word = request.form.get("password", "")[:128]
    if not typed["address"] or "@" in typed["address"]:
        return _page(message(N_("Type the camera's address, such as 192.168.7.24.")), typed), 422
    place("look", typed["address"], address=typed["address"], user=typed["user"],
          secret=sealed_word(word) if word else "")  # fmt: skip
    return redirect(url_for("taking_in.find"))


@views.post("/cameras/find/<int:number>/take")
@needs("cameras.take")
def take(number: int) -> ResponseReturnValue:
    config, form = context.config(), request.form
    one, room = found.get(context.database(), number), _room(config, form.get("room", ""))
    if one is None or room is None:
        return _page(message(N_("Choose the room this camera looks at."))), 422
    name = form.get("name", "").strip()[:100]
    said = Words(ru=name, en=name) if name else suggested(config, room)
    place("take", said.model_dump(), found=number, room=room.code, name_ru=said.ru, name_en=said.en,
          at=iso(context.now()))  # fmt: skip
    return redirect(url_for("taking_in.find") + f"#found-{number}")


def _room(config: Config, code: str) -> Room | None:
    return next((room for room in config.rooms if room.code == code), None)


def suggested(config: Config, room: Room) -> Words:
    """The room's name; with a figure when a camera is called so already."""
    names = {camera.name for camera in (*config.cameras, *config.aside)}
    more = (Words(ru=f"{room.name.ru} ({n})", en=f"{room.name.en} ({n})") for n in range(2, 999))
    return next(name for name in (room.name, *more) if name not in names)


@views.get("/cameras/find/<int:number>/picture.jpg")
@needs("cameras.take")
def picture(number: int) -> ResponseReturnValue:
    one = found.get(context.database(), number)
    if one is None:
        abort(404)
    path = found.picture_path(context.config().data, one.endpoint)
    if not path.exists():
        abort(404)
    return send_file(path, mimetype="image/jpeg", conditional=False, max_age=None)
