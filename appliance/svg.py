"""An SVG somebody uploads, built anew: nothing is taken out of it, only what is known to be harmless is copied.

No script, no event handler, no address outside, no foreign element, no entity: what is not in the lists below does not
come through. Style sheets become plain attributes, because the pages allow no inline style. Shapes that draw each
other (`use`, gradients, clip paths) are counted, so that a small file cannot make a browser draw without end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from lxml import etree

from appliance.model import N_, ApplianceError

NAMESPACE = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
MOST_ELEMENTS = 50_000  # drawn, counting each repetition by `use`
DEEPEST = 60
PAINTED = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "use"})
ELEMENTS = PAINTED | {
    "svg", "g", "defs", "symbol", "title", "desc", "linearGradient", "radialGradient", "stop", "clipPath",
}  # fmt: skip
AS_GROUP = {"a": "g", "switch": "g"}  # a link leads nowhere from a plan; what it draws stays
WITH_TEXT = frozenset({"text", "tspan", "title", "desc"})
PRESENTATION = frozenset({
    "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
    "stroke-linejoin", "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "opacity", "color", "display",
    "visibility", "clip-path", "clip-rule", "vector-effect", "paint-order", "stop-color", "stop-opacity",
    "font-family", "font-size", "font-style", "font-weight", "font-variant", "letter-spacing", "word-spacing",
    "text-anchor", "text-decoration", "dominant-baseline", "alignment-baseline", "baseline-shift", "writing-mode",
})  # fmt: skip
ATTRIBUTES = PRESENTATION | {
    "id", "d", "points", "transform", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr",
    "dx", "dy", "rotate", "width", "height", "viewBox", "preserveAspectRatio", "offset", "gradientUnits",
    "gradientTransform", "spreadMethod", "clipPathUnits", "textLength", "lengthAdjust", "pathLength",
}  # fmt: skip
VALUE = re.compile(r"[\w\s#.,%()+\-'\";]*")  # numbers, colours, names, rgb(...), translate(...)
LOCAL = re.compile(r"\s*url\(\s*['\"]?#([\w.:-]+)['\"]?\s*\)\s*")
FORBIDDEN = re.compile(r"url|expression|import|javascript|data", re.IGNORECASE)
ID = re.compile(r"[\w.:-]{1,200}")
LENGTH = re.compile(r"\s*([\d.]+(?:e[+-]?\d+)?)\s*(?:px|pt|pc|mm|cm|in|q)?\s*", re.IGNORECASE)

BROKEN = N_("This SVG cannot be read: {cause}. Save the plan again, as plain SVG or as PNG.")
ENTITIES = N_("This SVG defines entities of its own, which is not taken in. Save it as plain SVG or as PNG.")
EMPTY = N_("Nothing that can be drawn is in this SVG. If it only holds a photograph, save the plan as PNG or JPEG.")
TOO_MUCH = N_("This SVG draws more than {most} shapes. Simplify the plan, or save it as PNG.")
NO_SIZE = N_("This SVG does not say how large it is. Save the plan again with a width and a height, or as PNG.")


def clean(data: bytes) -> tuple[bytes, float, float]:
    """The drawing built anew, its width and its height. Raises ApplianceError with what to do instead."""
    root = _parsed(data)
    styles = _Styles(element.text or "" for element in root.iter(f"{{{NAMESPACE}}}style"))
    made = _copied(root, styles, 0)
    if made is None or not any(_name(element) in PAINTED for element in made.iter()):
        raise ApplianceError(EMPTY)
    if _drawn(made) > MOST_ELEMENTS:
        raise ApplianceError(TOO_MUCH, most=MOST_ELEMENTS)
    width, height = _size(made)
    return bytes(etree.tostring(made, encoding="utf-8")), width, height


def _parsed(data: bytes) -> etree._Element:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApplianceError(BROKEN, cause="not UTF-8") from None
    if "<!ENTITY" in text or "\0" in text:  # before anything expands them
        raise ApplianceError(ENTITIES)
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, attribute_defaults=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as cause:
        raise ApplianceError(BROKEN, cause=str(cause.msg)) from None
    if root is None or root.tag != f"{{{NAMESPACE}}}svg":
        raise ApplianceError(BROKEN, cause="no <svg> element")
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise ApplianceError(TOO_MUCH, most=MOST_ELEMENTS)
    return root


def _name(element: etree._Element) -> str:
    """The local name of an SVG element; empty for anything of another vocabulary."""
    tag = element.tag
    return tag.removeprefix(f"{{{NAMESPACE}}}") if isinstance(tag, str) and tag.startswith(f"{{{NAMESPACE}}}") else ""


def _copied(old: etree._Element, styles: _Styles, depth: int) -> etree._Element | None:
    name = AS_GROUP.get(_name(old), _name(old))
    if name not in ELEMENTS or depth > DEEPEST:
        return None
    made = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    for key, value in {**_plain(old), **styles.of(_name(old), old)}.items():
        kept = _value(key, value)
        if kept is not None:
            made.set(key, kept)
    target = old.get(XLINK) or old.get("href") or ""
    if name in ("use", "linearGradient", "radialGradient") and target[:1] == "#" and ID.fullmatch(target[1:]):
        made.set("href", target)
    if name in WITH_TEXT:
        made.text = old.text
    for child in old:
        copy = _copied(child, styles, depth + 1)
        if copy is not None:
            copy.tail = child.tail if name in WITH_TEXT else None
            made.append(copy)
    return made


def _plain(element: etree._Element) -> dict[str, str]:
    """The attributes without a namespace, whose name is known."""
    return {str(key): str(value) for key, value in element.attrib.items() if key in ATTRIBUTES}


def _value(key: str, value: str) -> str | None:
    """The value as it may stand, or None. The only address is one inside the drawing: url(#name)."""
    if key == "id":
        return value if ID.fullmatch(value) else None
    local = LOCAL.fullmatch(value)
    if local:
        return f"url(#{local[1]})" if key in ("fill", "stroke", "clip-path") else None
    return value if VALUE.fullmatch(value) and not FORBIDDEN.search(value) else None


class _Styles:
    """What style sheets and style attributes say, as attributes. Selectors of one name only: tag, .class, #id."""

    def __init__(self, sheets: Iterable[str]) -> None:
        self._rules: dict[str, dict[str, str]] = {}
        for sheet in sheets:  # split, not matched: a hostile sheet must not make an expression run away
            bare = "".join(part.partition("/*")[0] for part in sheet.split("*/"))
            for rule in bare.split("}"):
                selectors, _, body = rule.partition("{")
                said = declarations(body)
                for one in selectors.split(","):
                    self._rules.setdefault(one.strip(), {}).update(said)

    def of(self, name: str, element: etree._Element) -> dict[str, str]:
        classes = (f".{one}" for one in (element.get("class") or "").split())
        found: dict[str, str] = {}
        for selector in (name, *classes, f"#{element.get('id')}"):  # an id goes over a class, a class over a tag
            found.update(self._rules.get(selector, {}))
        return found | declarations(element.get("style") or "")


def declarations(style: str) -> dict[str, str]:
    """`fill:none;stroke:#000` as attributes; only properties that draw."""
    pairs = (part.partition(":") for part in style.replace("!important", "").split(";"))
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip() in PRESENTATION}


def _drawn(root: etree._Element) -> int:
    """How many elements a browser draws, every reference followed; beyond the limit when they run in a circle."""
    named = {str(element.get("id")): element for element in root.iter() if element.get("id")}
    known: dict[etree._Element, int] = {}
    for element in reversed(list(root.iter())):  # children before parents; references may point anywhere
        _weigh(element, named, known, frozenset())
    return known[root]


def _weigh(element: etree._Element, named: Mapping[str, etree._Element], known: dict[etree._Element, int],
           above: frozenset[etree._Element]) -> int:  # fmt: skip
    if element in known:
        return known[element]
    if element in above or len(above) > DEEPEST:
        return MOST_ELEMENTS + 1
    total = 1
    for other in [*element, *(named[name] for name in _named_by(element) if name in named)]:
        total += _weigh(other, named, known, above | {element})
        if total > MOST_ELEMENTS:
            break
    known[element] = total
    return total


def _named_by(element: etree._Element) -> list[str]:
    found = [LOCAL.fullmatch(element.get(key) or "") for key in ("fill", "stroke", "clip-path")]
    target = element.get("href")
    return [*(one[1] for one in found if one), *([target[1:]] if target else [])]


def _size(root: etree._Element) -> tuple[float, float]:
    """Width and height of the drawing, which is given exactly these and a viewBox. Percentages say nothing."""
    box = [_number(part) for part in re.split(r"[\s,]+", (root.get("viewBox") or "").strip())]
    if len(box) == 4 and all(math.isfinite(part) for part in box):
        width, height = box[2:]
    else:
        width, height = (_length(root.get(side) or "") for side in ("width", "height"))
        root.set("viewBox", f"0 0 {width:g} {height:g}")
    if not (0 < width < 1e6 and 0 < height < 1e6 and 0.1 <= width / height <= 10):
        raise ApplianceError(NO_SIZE)
    for side, value in (("width", width), ("height", height)):
        root.set(side, f"{value:g}")
    for key in ("x", "y", "transform", "preserveAspectRatio"):
        root.attrib.pop(key, None)
    return width, height


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _length(text: str) -> float:
    found = LENGTH.fullmatch(text)
    return _number(found[1]) if found else math.nan
