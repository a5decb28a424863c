"""The plan of the building: only a picture comes in, whatever was uploaded; what is placed stays where it was put."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from appliance import before, drawings, journal, plans, svg
from appliance.clock import parse
from appliance.kinds import sentence
from appliance.model import ApplianceError, Role
from appliance.words import Words
from tests.fakes.seeded_site import SMOKE, WINDOW, Site

pytest_plugins = ["tests.web_fixtures"]
LINKS = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = f'<svg xmlns="{svg.NAMESPACE}" {LINKS} viewBox="0 0 400 200">{{}}</svg>'
WALL = '<path d="M10 10 H390 V190 H10 Z" fill="none" stroke="#333"/>'
PLAN = SVG.format(WALL).encode()


def svg_of(inside: str) -> bytes:
    return SVG.format(WALL + inside).encode()


def made(inside: str) -> str:
    """What becomes of these elements beside a wall."""
    return svg.clean(svg_of(inside))[0].decode()


def raster(width: int = 400, height: int = 200, ending: str = ".png", channels: int = 3) -> bytes:
    picture = np.full((height, width, channels), 200, np.uint8)
    cv2.rectangle(picture, (20, 20), (width - 20, height - 20), (0,) * channels, 3)
    return bytes(cv2.imencode(ending, picture)[1].tobytes())


def refused(data: bytes) -> str:
    with pytest.raises(ApplianceError) as told:
        drawings.take_in(data)
    return told.value.message.text


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script with a prefix": '<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>',
    "html script": '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
    "handler": '<rect width="9" height="9" onload="alert(1)" ONCLICK="alert(1)" onbegin="alert(1)"/>',
    "foreign object": '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></p>'
                      "</foreignObject>",
    "link to a script": '<a xlink:href="javascript:alert(1)"><rect width="9" height="9"/></a>',
    "link outside": '<a href="//e.test/"><rect width="9" height="9"/></a>',
    "use outside": '<use href="//e.test/x.svg#a"/><use xlink:href="data:image/svg+xml;base64,PHN2Zz4=#a"/>',
    "picture outside": '<image href="//e.test/x.png" width="9" height="9"/>',
    "picture inside": '<image xlink:href="data:image/svg+xml,&lt;svg onload=alert(1)&gt;" width="9" height="9"/>',
    "style outside": "<style>@import url(//e.test/x.css); rect { fill: url(//e.test/a) }</style>"
                     '<rect width="9" height="9"/>',
    "style attribute": '<rect width="9" height="9" style="fill:url(//e.test/a);background:url(//e.test)"/>',
    "style in disguise": '<rect width="9" height="9" style="fill:ur\\6c(//e.test/a)"/>',
    "paint outside": '<rect width="9" height="9" fill="url(//e.test/a#b)" clip-path="url(//e.test)"/>',
    "paint beside": '<rect width="9" height="9" fill="url(e.test.svg#a)" stroke="red url(e.test.png)"/>'
                    '<g transform="url(e.test.png)"/>',
    "animation": '<set attributeName="href" to="javascript:alert(1)"/>'
                 '<animate attributeName="onload" values="alert(1)"/>',
    "filter": '<filter id="f"><feImage href="//e.test/x"/></filter><rect filter="url(#f)" width="9" height="9"/>',
    "pattern": '<pattern id="p" width="0.0001" height="0.0001"><rect width="9" height="9"/></pattern>',
    "frame": '<iframe xmlns="http://www.w3.org/1999/xhtml" src="//e.test"/>',
    "base": '<rect xml:base="//e.test/" width="9" height="9"/>',
    "instruction": '<?xml-stylesheet href="//e.test/x.css"?>',
    "data section": "<desc><![CDATA[</desc><script>alert(1)</script>]]></desc>",
    "comment": "<!-- <script>alert(1)</script> -->",
    "handler element": '<handler xmlns="http://www.w3.org/2000/svg" type="text/ecmascript">alert(1)</handler>',
}  # fmt: skip
ATTACK = re.compile(
    r"<script|alert\(1\)|e\.test|javascript|\son\w+=|foreignObject|<image|<filter|<pattern|data:", re.IGNORECASE
)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_comes_through(name: str) -> None:
    said = made(HOSTILE[name])
    bare = said.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "")  # text, and shown as text
    assert not ATTACK.search(bare), said
    assert 'd="M10 10 H390 V190 H10 Z"' in said  # the wall stands


@pytest.mark.parametrize("head", [
    '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
    '<!DOCTYPE svg [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE svg [<!ENTITY % out SYSTEM "http://127.0.0.1:9/x.dtd"> %out;]>',
])  # fmt: skip
def test_entities_are_refused_before_anything_expands_them(head: str) -> None:
    assert refused(head.encode() + PLAN) == svg.ENTITIES


def test_a_plain_doctype_of_a_drawing_program_is_let_pass_and_not_kept() -> None:
    kind = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://127.0.0.1:9/svg11.dtd">'
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n' + kind
    assert drawings.take_in(head + PLAN).data.startswith(b"<svg ")


@pytest.mark.parametrize("data", [
    PLAN.decode().encode("utf-16"), b"<svg", b"<svg></svg>", PLAN[:-10], PLAN.replace(b"<svg", b"<html", 1) + b"<svg",
    b"\xff\xfe<svg", PLAN.replace(b"M10", b"\x00"),
])  # fmt: skip
def test_what_is_no_sound_svg_is_refused_in_words(data: bytes) -> None:
    assert refused(data) in (svg.BROKEN, svg.ENTITIES, drawings.UNKNOWN)


def test_a_drawing_of_nothing_but_a_photograph_says_what_to_do() -> None:
    only = SVG.format('<image href="data:image/png;base64,AAAA" width="400" height="200"/>').encode()
    assert refused(only) == svg.EMPTY


def test_shapes_that_repeat_each_other_without_end_are_refused() -> None:
    laughs = "".join(f'<g id="l{n}">' + f'<use href="#l{n - 1}"/>' * 10 + "</g>" for n in range(1, 10))
    assert refused(svg_of(f'<g id="l0"><rect width="1" height="1"/></g>{laughs}')) == svg.TOO_MUCH
    assert refused(svg_of('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>')) == svg.TOO_MUCH
    assert refused(svg_of("<g/>" * (svg.MOST_ELEMENTS + 1))) == svg.TOO_MUCH
    assert refused(svg_of('<g id="self"><use href="#self"/></g>')) == svg.TOO_MUCH


def test_too_deep_is_refused_or_cut_and_never_a_fault() -> None:
    deep = svg_of("<g>" * 5000 + "</g>" * 5000)
    assert refused(deep) == svg.BROKEN  # libxml2's own limit
    assert "<circle" not in made("<g>" * 100 + '<circle r="3"/>' + "</g>" * 100)


def test_an_honest_drawing_keeps_its_look() -> None:
    said = made(
        "<style>.wall, .door{stroke:#111;stroke-width:2px} /* } */ #exit{fill:green!important} rect{opacity:.5}</style>"
        '<rect id="exit" class="wall" x="1" y="2" width="30" height="40" style="stroke-linecap:round;-inkscape-x:1"/>'
        '<g transform="translate(5,5) rotate(90)"><text x="1" y="2" font-family="\'PT Sans\', sans-serif">'
        "Штаб <tspan>7777</tspan> — 2</text></g>"
        '<linearGradient id="glow"><stop offset="10%" stop-color="rgb(1,2,3)"/></linearGradient>'
        '<circle r="4" fill="url(#glow)"/>'
        '<symbol id="door"><path d="M0 0l5 5"/></symbol><use xlink:href="#door" x="9"/>'
    )  # fmt: skip
    for kept in ('stroke="#111"', 'stroke-width="2px"', 'fill="green"', 'opacity=".5"', 'stroke-linecap="round"',
                 'transform="translate(5,5) rotate(90)"', "Штаб <tspan>7777</tspan> — 2",
                 "font-family=", 'fill="url(#glow)"',
                 'stop-color="rgb(1,2,3)"', '<use x="9" href="#door"/>'):  # fmt: skip
        assert kept in said
    assert "style" not in said
    assert "class" not in said
    again, width, height = svg.clean(said.encode())
    assert (again.decode(), width, height) == (said, 400, 200)


@pytest.mark.parametrize(("root", "size"), [
    ('width="300" height="150"', (300, 150)), ('width="210mm" height="297mm"', (210, 297)),
    ('width="100%" height="100%" viewBox="0 0 1e3 500"', (1000, 500)), ('viewBox="-5,-5,80,40" width="9"', (80, 40)),
])  # fmt: skip
def test_the_shape_is_read_from_the_drawing(root: str, size: tuple[float, float]) -> None:
    assert svg.clean(f'<svg xmlns="{svg.NAMESPACE}" {root}>{WALL}</svg>'.encode())[1:] == size


@pytest.mark.parametrize("root", ["", 'width="100%" height="100%"', 'viewBox="0 0 0 9"', 'viewBox="0 0 1e9 1e9"',
                                  'viewBox="0 0 nan inf"', 'viewBox="0 0 1 99"', 'width="-5" height="9"'])  # fmt: skip
def test_a_drawing_without_a_size_is_refused(root: str) -> None:
    assert refused(f'<svg xmlns="{svg.NAMESPACE}" {root}>{WALL}</svg>'.encode()) == svg.NO_SIZE


TAGS = st.sampled_from([*sorted(svg.ELEMENTS), "script", "style", "image", "foreignObject", "a", "animate", "filter"])
VALUES = st.one_of(st.text("abcMLz0123456789#.,;:()'% -", max_size=30),
                   st.sampled_from(["url(#a)", "url(//e.test)", "javascript:alert(1)", "a", "#a", "none"]))
KEYS = st.sampled_from([*sorted(svg.ATTRIBUTES), "style", "class", "href", "onload", "onclick", svg.XLINK, "filter"])


@st.composite
def trees(draw: Any, depth: int = 0) -> etree._Element:
    element = etree.Element(f"{{{svg.NAMESPACE}}}{draw(TAGS)}")
    for key, value in draw(st.dictionaries(KEYS, VALUES, max_size=4)).items():
        element.set(key, value)
    element.text = draw(st.text("ab{}:;.#<&", max_size=10))
    if depth < 3:
        element.extend(draw(st.lists(trees(depth + 1), max_size=3)))
    return element


@settings(max_examples=150, deadline=None)
@given(st.lists(trees(), min_size=1, max_size=4))
def test_whatever_is_drawn_only_the_known_comes_through_and_a_second_time_nothing_changes(grown: list[Any]) -> None:
    root = etree.fromstring(PLAN)
    root.extend(grown)
    try:
        once, _, _ = svg.clean(etree.tostring(root))
    except ApplianceError:
        return
    for element in etree.fromstring(once).iter():
        assert etree.QName(element).localname in svg.ELEMENTS
        for key, value in element.attrib.items():
            assert key in svg.ATTRIBUTES | {"href"}
            assert "//" not in value
            assert not re.search(r"url\((?!#)|script|expression", value)
    assert svg.clean(once)[0] == once


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", PLAN[:60], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", raster()[:60],
                                                raster(ending=".jpg")[:300]]))  # fmt: skip
def test_noise_is_refused_and_never_a_fault(noise: bytes, head: bytes) -> None:
    with pytest.raises(ApplianceError):
        drawings.take_in(head + noise)


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png_claiming(width: int, height: int) -> bytes:
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


def test_a_few_bytes_that_claim_gigabytes_are_refused_before_they_are_decoded() -> None:
    assert refused(png_claiming(60_000, 60_000)) == drawings.TOO_WIDE
    small = raster(ending=".jpg")
    at = small.index(b"\xff\xc0") + 5
    assert refused(small[:at] + b"\xff\xff\xff\xff" + small[at + 4 :]) == drawings.TOO_WIDE


@pytest.mark.parametrize(("data", "why"), [
    (png_claiming(400, 200), drawings.BROKEN), (raster()[:200], drawings.BROKEN), (raster(20, 20), drawings.TOO_NARROW),
    (raster(2000, 60), drawings.TOO_NARROW), (b"GIF89a" + bytes(100), drawings.UNKNOWN), (b"", drawings.UNKNOWN),
    (b"%PDF-1.7", drawings.UNKNOWN), (raster() + bytes(drawings.LARGEST_BYTES), drawings.TOO_LARGE),
    (PLAN + b" " * drawings.LARGEST_SVG_BYTES, drawings.TOO_LARGE),
])  # fmt: skip
def test_a_picture_that_cannot_be_taken_in_says_why(data: bytes, why: str) -> None:
    assert refused(data) == why


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_a_photograph_keeps_its_picture_and_loses_what_hides_in_it(ending: str) -> None:
    hidden = b"GPS 56.8389 60.6057 <script>alert(1)</script>"
    told = raster(ending=ending)
    if ending == ".png":
        data = told[:33] + chunk(b"tEXt", b"Comment\0" + hidden) + told[33:] + b"trailing " + hidden
    else:
        data = told[:2] + b"\xff\xfe" + (len(hidden) + 2).to_bytes(2, "big") + hidden + told[2:] + hidden
    kept = drawings.take_in(data)
    assert (kept.width, kept.height) == (400, 200)
    assert b"script" not in kept.data
    seen = cv2.imdecode(np.frombuffer(kept.data, np.uint8), cv2.IMREAD_COLOR)
    assert seen[5, 5].tolist() == pytest.approx([200] * 3, abs=8)


def test_what_is_transparent_is_white_paper_and_sixteen_bits_are_eight() -> None:
    clear = np.zeros((100, 100, 4), np.uint8)
    kept = drawings.take_in(cv2.imencode(".png", clear)[1].tobytes())
    assert cv2.imdecode(np.frombuffer(kept.data, np.uint8), cv2.IMREAD_COLOR)[50, 50].tolist() == [255, 255, 255]
    deep = np.full((100, 100, 3), 40_000, np.uint16)
    kept = drawings.take_in(cv2.imencode(".png", deep)[1].tobytes())
    assert cv2.imdecode(np.frombuffer(kept.data, np.uint8), cv2.IMREAD_UNCHANGED)[50, 50].tolist() == [155] * 3


def test_more_points_than_any_screen_shows_are_not_kept() -> None:
    kept = drawings.take_in(raster(4000, 2000))
    assert (kept.width, kept.height) == (3000, 1500)


@pytest.fixture
def floor(site: Site) -> plans.Floor:
    return plans.add(site.db, site.clock, site.people[Role.ADMIN], "Floor 1", 1, PLAN)


def put(site: Site, floor: plans.Floor, sort: str, name: str, x: float = 0.25, y: float = 0.5) -> plans.Place:
    return plans.put(site.db, site.config, site.clock, site.people[Role.ADMIN], floor.id, sort, name, x, y)


def said(site: Site, count: int) -> list[str]:
    words = Words("en", site.config.site.zone)
    return [words.say(sentence(entry)) for entry in journal.entries(site.db)[-count:]]


SMOKE_ZONE, WINDOW_ZONE = "security|||001", "security|||003"


def test_every_change_of_the_plan_is_in_the_journal(site: Site, floor: plans.Floor) -> None:
    admin = site.people[Role.ADMIN]
    put(site, floor, "zone", SMOKE_ZONE)
    put(site, floor, "camera", "corridor-1")
    plans.take(site.db, site.clock, admin, floor.id, "camera", "corridor-1")
    plans.change(site.db, site.clock, admin, floor.id, "Ground floor", 0)
    plans.change(site.db, site.clock, admin, floor.id, "Ground floor", 0, raster())
    plans.remove(site.db, site.clock, admin, floor.id)
    name = "Кузнецова Мария Олеговна"
    told = said(site, 7)
    assert told[0].startswith(f"{name} added the plan of Floor 1, ")
    assert told[1:5] == [
        f"{name} placed on the plan of Floor 1: Smoke detector, corridor 1",
        f"{name} placed on the plan of Floor 1: Corridor 1",
        f"{name} took off the plan of Floor 1: corridor-1",
        f"{name} changed the plan Floor 1, order 1, to Ground floor, order 0",
    ]
    assert told[5].startswith(f"{name} replaced the plan of Ground floor")
    assert told[6] == f"{name} removed the plan of Ground floor with 1 places"
    assert (plans.floors(site.db), plans.places(site.db)) == ([], [])
    assert journal.entries(site.db)[-6].data["x_permille"] == 250


def test_a_thing_is_in_one_place_and_moves_when_it_is_put_elsewhere(site: Site, floor: plans.Floor) -> None:
    second = plans.add(site.db, site.clock, site.people[Role.ADMIN], "Floor 2", 2, raster())
    put(site, floor, "zone", SMOKE_ZONE)
    moved = put(site, second, "zone", SMOKE_ZONE, 1, 0)
    assert plans.places(site.db) == [moved]
    assert plans.places(site.db, floor.id) == []


def test_a_better_picture_keeps_what_is_placed(site: Site, floor: plans.Floor) -> None:
    kept = put(site, floor, "zone", SMOKE_ZONE)
    after = plans.change(site.db, site.clock, site.people[Role.ADMIN], floor.id, "Floor 1", 1, raster(800, 300))
    assert (after.width, after.height, after.sha256 != floor.sha256) == (800, 300, True)
    assert plans.places(site.db, floor.id) == [kept]


@pytest.mark.parametrize(("change", "why"), [
    (lambda site, floor: put(site, floor, "zone", "security|||999"), plans.NO_SUBJECT),
    (lambda site, floor: put(site, floor, "camera", "../../etc"), plans.NO_SUBJECT),
    (lambda site, floor: put(site, floor, "zone", SMOKE_ZONE, 1.2, 0.5), plans.OUTSIDE),
    (lambda site, floor: put(site, floor, "zone", SMOKE_ZONE, float("nan"), 0.5), plans.OUTSIDE),
    (lambda site, floor: plans.add(site.db, site.clock, site.people[Role.ADMIN], "Floor 1", 7, PLAN), plans.TWICE),
    (lambda site, floor: plans.add(site.db, site.clock, site.people[Role.ADMIN], "  ", 7, PLAN), plans.UNTITLED),
    (lambda site, floor: plans.add(site.db, site.clock, site.people[Role.ADMIN], "x" * 41, 7, PLAN), plans.UNTITLED),
    (lambda site, floor: plans.add(site.db, site.clock, site.people[Role.ADMIN], "Sky", 900, PLAN), plans.LEVEL),
    (lambda site, floor: plans.remove(site.db, site.clock, site.people[Role.ADMIN], 77), plans.NO_FLOOR),
    (lambda site, floor: plans.picture(site.db, 77), plans.NO_FLOOR),
])  # fmt: skip
def test_a_refused_change_says_why_and_writes_nothing(
    site: Site, floor: plans.Floor, change: Callable[[Site, plans.Floor], Any], why: str
) -> None:
    head = journal.head(site.db)
    with pytest.raises(ApplianceError) as told:
        change(site, floor)
    assert told.value.message.text == why
    assert journal.head(site.db) == head
    assert (len(plans.floors(site.db)), plans.places(site.db)) == (1, [])


def test_there_is_an_end_to_the_number_of_plans(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_FLOORS", 2)
    admin = site.people[Role.ADMIN]
    for level in (1, 2):
        plans.add(site.db, site.clock, admin, str(level), level, PLAN)
    with pytest.raises(ApplianceError, match="There are 2 plans already"):
        plans.add(site.db, site.clock, admin, "3", 3, PLAN)


def test_the_nearest_camera_is_one_of_the_room_then_the_nearest_on_the_floor(site: Site, floor: plans.Floor) -> None:
    zone = site.config.zone("security", "003", None, None)
    assert zone is not None
    assert [camera.id for camera in plans.near(site.db, site.config, zone)] == ["room-0002"]  # by its room alone
    put(site, floor, "zone", WINDOW_ZONE, 0.5, 0.5)
    put(site, floor, "camera", "room-0001", 0.6, 0.5)  # 40 units away
    put(site, floor, "camera", "hq", 0.5, 0.65)  # 30 units away, though the larger share
    put(site, floor, "camera", "room-0002", 0.1, 0.1)
    assert [camera.id for camera in plans.near(site.db, site.config, zone)] == ["room-0002", "hq", "room-0001"]
    assert plans.near(site.db, site.config, None) == []


def test_an_alarm_knows_its_zone(site: Site) -> None:
    site.say(SMOKE)
    site.say(WINDOW)
    numbers = [row["id"] for row in site.db.rows("select id from alarm order by id desc limit 2")]
    zones = plans.zones_of(site.db, site.config, numbers)
    assert [plans.zone_name(zones[number]) for number in numbers] == [WINDOW_ZONE, SMOKE_ZONE]
    assert plans.zones_of(site.db, site.config, []) == {}


def test_the_minute_before_says_where_in_which_file(site: Site) -> None:
    at = parse(site.db.value("select starts_at from segment where camera = 'entrance' order by starts_at limit 1"))
    (only,) = before.minute(site.db, site.config, "entrance", at + timedelta(seconds=90))
    assert (only.from_s, only.to_s, only.video) == (30, 90, "h264")
    (first,) = before.minute(site.db, site.config, "entrance", at + timedelta(seconds=20))
    assert (first.from_s, first.to_s) == (0, 20)
    one, two = before.minute(site.db, site.config, "entrance", at + timedelta(seconds=3610))
    assert (one.from_s, one.to_s, two.from_s, two.to_s) == (3550, 3600, 0, 10)
    assert one.ends_at == two.starts_at
    assert before.minute(site.db, site.config, "entrance", at - timedelta(hours=9)) == []
