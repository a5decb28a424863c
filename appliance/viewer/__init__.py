"""The page on the stick: one HTML file that shows and plays a package from file://, in both languages, without network.

Everything it says is computed here from the package's manifest, so the page claims nothing the manifest does not hold.
Its script only moves between files; its content policy allows that one script and media files, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

from appliance.clock import parse
from appliance.model import LANGUAGES, N_, Language, Message, message
from appliance.words import Words

TEXTS = {
    "heading": N_("Recordings: {title}"),
    "player": N_("Player"),
    "play": N_("Play"),
    "pause": N_("Pause"),
    "back": N_("−10\u00a0s"),
    "on": N_("+10\u00a0s"),
    "speed": N_("Speed"),
    "goto": N_("Go to time"),
    "timeline": N_("When was recorded"),
    "recorded": N_("recorded"),
    "gap": N_("gap"),
    "not_required": N_("had to be recorded"),
    "gaps": N_("Gaps in the recording"),
    "no_gaps": N_("None: every required second is here."),
    "about": N_("About this package"),
    "check": N_("How to check it"),
    "check_how": N_("In this folder, with any one of these commands. The file how-to-check.txt explains them."),
    "limits": N_("What was not verified"),
    "files": N_("Files"),
    "from": N_("Begins"),
    "to": N_("Ends"),
    "frames": N_("Frames"),
    "size": N_("Size"),
    "file": N_("File"),
    "cannot_play": N_("This file cannot be read here. If the check above holds it is whole: open it in VLC."),
    "cannot_play_hevc": N_("This browser cannot play H.265. The recording is whole: open its file in Chrome or VLC."),
    "no_recording": N_("Nothing was recorded after this."),
}
TICK_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
TICKS_AT_MOST = 7


class _Voice:
    """Says everything twice: a span of each language, of which the page shows one."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.words: dict[Language, Words] = {language: Words(language, zone) for language in LANGUAGES}

    def __call__(self, key: str, **args: Any) -> Markup:
        return self.say(TEXTS[key], **args)

    def say(self, text: str | Message, /, **args: Any) -> Markup:
        return self.each(lambda words: words.say(text, **args))

    def each(self, tell: Any) -> Markup:
        return Markup("").join(
            Markup('<span lang="{}">{}</span>').format(language, tell(words)) for language, words in self.words.items()
        )


def how_to_check() -> bytes:
    """how-to-check.txt: Russian first, then English."""
    return f"\n{'-' * 80}\n\n".join(_resource(f"how-to-check.{language}.txt") for language in LANGUAGES).encode()


def page(manifest: Mapping[str, Any], language: Language) -> bytes:
    """index.html for a package's manifest, opening in `language`."""
    zone = ZoneInfo(manifest["site"]["timezone"])
    t = _Voice(zone)
    scale = _Scale(manifest["cameras"])
    words = t.words[language]
    template, style, script = (_resource(name) for name in ("page.html", "page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    cameras = [_camera(t, scale, camera) for camera in manifest["cameras"]]
    html = (
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(template)
        .render(
            language=language,
            script_hash=f"sha256-{digest}",
            style=Markup(style),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704 - a file of ours
            t=t,
            title=words.say(TEXTS["heading"], title=manifest["exam"]["title"]),
            exam_title=manifest["exam"]["title"],
            site=t.each(lambda w: f"{manifest['site']['name'][w.language]} · {manifest['site']['code']}"),
            language_text=lambda key: words.say(TEXTS[key]),
            answer=_answer(t, manifest),
            facts=_facts(t, manifest),
            cameras=cameras,
            ticks=scale.ticks(words),
            gaps=_gaps(t, manifest["cameras"]),
            about=_about(t, manifest),
            limits=[t.say(Message.from_json(limit)) for limit in manifest["limits"]],
            recordings=_island(manifest, scale),
        )
    )
    return (html + "\n").encode()


def _resource(name: str) -> str:
    return files("appliance").joinpath("viewer", name).read_text(encoding="utf-8")


def _hours(words: Words, starts_at: str, ends_at: str) -> str:
    """10:00–13:55, with seconds where minutes would not tell the beginning from the end."""
    short = parse(ends_at) - parse(starts_at) < timedelta(minutes=10)
    return "–".join(words.time(at) if short else words.minute(at) for at in (starts_at, ends_at))


class _Scale:
    """Where an instant lies on the bars, in percent of the package's whole time."""

    def __init__(self, cameras: Iterable[Mapping[str, Any]]) -> None:
        instants = [parse(c["window"][edge]) for c in cameras for edge in ("starts_at", "ends_at")]
        self.starts, self.ends = min(instants), max(instants)

    def percent(self, at: str) -> float:
        return round(min(max((parse(at) - self.starts) / (self.ends - self.starts), 0.0), 1.0) * 100, 3)

    def span(self, starts_at: str, ends_at: str) -> dict[str, float]:
        left = self.percent(starts_at)
        return {"left": left, "width": round(self.percent(ends_at) - left, 3)}

    def ticks(self, words: Words) -> list[dict[str, Any]]:
        """Round hours, minutes or seconds of the site's clock, a handful of them."""
        length_s = (self.ends - self.starts).total_seconds()
        step_s = next((s for s in TICK_STEPS_S if length_s / s <= TICKS_AT_MOST), TICK_STEPS_S[-1])
        midnight = words.local(self.starts).replace(hour=0, minute=0, second=0, microsecond=0)
        first = -(-(self.starts - midnight).total_seconds() // step_s) * step_s
        at, found = midnight + timedelta(seconds=first), []
        while at <= self.ends:
            label = words.minute(at) if step_s >= 60 else words.time(at)
            found.append({"left": self.percent(at.isoformat()), "label": label})
            at += timedelta(seconds=step_s)
        return found


def _answer(t: _Voice, manifest: Mapping[str, Any]) -> Markup:
    """The sentence one could say on the telephone."""
    totals = manifest["totals"]
    if totals["gaps"]:
        return t.say(N_("Recorded {recorded_ms} of {required_ms}. Gaps: {gaps}, together {gap_ms}."), **totals)
    return t.say(N_("Recorded {recorded_ms} of {required_ms}, no gaps."), **totals)


def _facts(t: _Voice, manifest: Mapping[str, Any]) -> Markup:
    starts_at, ends_at = manifest["exam"]["starts_at"], manifest["exam"]["ends_at"]
    return t.each(
        lambda w: w.say(
            N_("{day}, exam {hours}, all times {offset}. Cameras: {cameras}, files: {files}, {size_bytes}."),
            day=w.day(starts_at),
            hours=_hours(w, starts_at, ends_at),
            offset=w.offset(starts_at),
            cameras=len(manifest["cameras"]),
            files=manifest["totals"]["files"],
            size_bytes=manifest["totals"]["size_bytes"],
        )
    )


def _camera(t: _Voice, scale: _Scale, camera: Mapping[str, Any]) -> dict[str, Any]:
    window, segments = camera["window"], camera["segments"]
    return {
        "name": t.each(lambda w: camera["name"][w.language]),
        "said": t.each(
            lambda w: f"{_hours(w, window['starts_at'], window['ends_at'])}, {w.span(camera['recorded_ms'] / 1000)}"
        ),
        "files_said": t.say(N_("files: {n}"), n=len(segments)),
        "parts": [scale.span(s, e) for s, e in _runs(segments)],
        "gaps": [scale.span(gap["starts_at"], gap["ends_at"]) for gap in camera["gaps"]],
        "segments": [_segment(t, s) for s in segments],
        **scale.span(window["starts_at"], window["ends_at"]),
    }


def _runs(segments: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Segments that follow one another without a hole to see, as one piece of the bar."""
    runs: list[tuple[str, str]] = []
    for s in segments:
        if runs and parse(s["starts_at"]) - parse(runs[-1][1]) < timedelta(milliseconds=500):
            runs[-1] = (runs[-1][0], max(s["ends_at"], runs[-1][1]))
        else:
            runs.append((s["starts_at"], s["ends_at"]))
    return runs


def _segment_clock(t: _Voice, clock: Mapping[str, Any]) -> Markup:
    """What is known of the clocks beside a recording's times; nothing for what is not known."""
    said = Markup("")
    offset_ms, step_ms = clock["camera_offset_ms"], clock["step_ms"]
    if offset_ms is not None:
        said += t.each(lambda w: w.say(N_(", camera's clock {offset}"), offset=w.signed_s(offset_ms / 1000)))
    if clock["derived"] == "file":
        said += t.say(N_(", times by the file's last write"))
    if clock["box"] == "free":
        said += t.say(N_(", the box's clock was not kept by a time source"))
    if step_ms:
        said += t.each(lambda w: w.say(N_(", the box's clock was set by {step}"), step=w.signed_s(step_ms / 1000)))
    return said


def _segment(t: _Voice, s: Mapping[str, Any]) -> dict[str, Any]:
    note = t.say(N_(", cut back to its last whole part after a power cut")) if s["repaired"] else Markup("")
    note += _segment_clock(t, s["clock"])
    anywhere = next(iter(t.words.values()))
    return {
        "from": anywhere.time(s["starts_at"]),
        "to": anywhere.time(s["ends_at"]),
        "frames": s["frames"],
        "note": note,
        "size": t.each(lambda w: w.size(s["size_bytes"])),
        "file": s["file"],
        "name": s["file"].rsplit("/", 1)[1],
        "sha256": s["sha256"],
    }


def gap_sentence(camera: Mapping[str, Any], gap: Mapping[str, Any]) -> Message:
    """The gap in words: place, times, length, cause, journal entry."""
    length_ms = int((parse(gap["ends_at"]) - parse(gap["starts_at"])).total_seconds() * 1000)
    args = {
        "camera": camera["name"],
        "from_at": gap["starts_at"],
        "to_at": gap["ends_at"],
        "gap_ms": length_ms,
        "cause": Message.from_json(gap["cause_said"]),
        "entry": gap["entry"],
    }
    if gap["entry"] is None:
        return message(N_("{camera}: gap {from_at}–{to_at}, {gap_ms}. {cause}"), **args)
    return message(N_("{camera}: gap {from_at}–{to_at}, {gap_ms}. {cause} Journal entry {entry}."), **args)


def _gaps(t: _Voice, cameras: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "camera": n,
            "from_ms": _ms(gap["starts_at"]),
            "to_ms": _ms(gap["ends_at"]),
            "said": t.say(gap_sentence(camera, gap)),
        }
        for n, camera in enumerate(cameras)
        for gap in camera["gaps"]
    ]


def _about(t: _Voice, manifest: Mapping[str, Any]) -> list[tuple[Markup, Markup | str]]:
    site, exam, order = manifest["site"], manifest["exam"], manifest["order"]
    rows: list[tuple[str, Markup | str]] = [
        (
            N_("Site"),
            t.each(lambda w: ", ".join(filter(None, [site["name"][w.language], site["code"], site["address"]]))),
        ),
        (
            N_("Exam"),
            t.each(
                lambda w: f"{exam['title']}, {w.day(exam['starts_at'])} {_hours(w, exam['starts_at'], exam['ends_at'])}"
            ),
        ),
        (N_("Asked for by"), _signed(t, order["asked"])),
        (N_("Agreed by"), _signed(t, order["agreed"])),
        (N_("Grounds"), order["grounds"] or "—"),
        (N_("Recipient"), order["recipient"] or "—"),
        (N_("Archive sealed"), t.each(lambda w: w.moment(exam["sealed_at"]) if exam["sealed_at"] else "—")),
        (N_("Keep until"), t.each(lambda w: w.day(manifest["keep_until"]))),
        (
            N_("Journal"),
            t.say(
                N_("entries {first}–{last}"),
                first=str(manifest["journal"]["first"]),
                last=str(manifest["journal"]["last"]),
            ),
        ),
        (N_("Clocks of the cameras"), _clocks(t, manifest["cameras"])),
        (N_("Made by"), f"{manifest['software']['name']} {manifest['software']['version']}"),
    ]
    return [(t.say(term), said) for term, said in rows]


def _signed(t: _Voice, who: Mapping[str, Any]) -> Markup:
    return t.each(lambda w: f"{who['name']}, {who['title'][w.language]}, {w.moment(who['at'])}")


def _clocks(t: _Voice, cameras: Iterable[Mapping[str, Any]]) -> Markup:
    def tell(w: Words) -> str:
        return " · ".join(
            f"{c['name'][w.language]}: "
            + (w.say(N_("not asked")) if c["clock"] is None else w.signed_s(c["clock"]["offset_ms"] / 1000))
            for c in cameras
        )

    return t.each(tell)


def _island(manifest: Mapping[str, Any], scale: _Scale) -> Markup:
    """What the script needs, as JSON that cannot end its own element."""
    cameras = [
        {
            "starts": _ms(c["window"]["starts_at"]),
            "segments": [[s["file"], _ms(s["starts_at"]), _ms(s["ends_at"]), s["video"]] for s in c["segments"]],
        }
        for c in manifest["cameras"]
    ]
    island = {
        "zone": manifest["site"]["timezone"],
        "starts": _epoch_ms(scale.starts),
        "ends": _epoch_ms(scale.ends),
        "cameras": cameras,
    }
    text = json.dumps(island, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no tag can begin in it


def _ms(at: str) -> int:
    return _epoch_ms(parse(at))


def _epoch_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
