"""The region profile: every hour, limit, title and room code of the exam day, as frozen typed values."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from appliance.model import Language, Role, RoomKind

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """Frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(Strict):
    """A text in both languages of the pages."""

    ru: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]

    def in_(self, language: Language) -> str:
        return self.ru if language == "ru" else self.en


class Titles(Strict):
    """Official titles as forms and pages print them."""

    site: Words
    journal: Words
    alarm_log: Words
    duty: Words
    coverage: Words
    roles: dict[Role, Words]

    @model_validator(mode="after")
    def every_role(self) -> Self:
        missing = [role.value for role in Role if role not in self.roles]
        if missing:
            raise ValueError(f"roles without a title: {', '.join(missing)}")
        return self


class Hours(Strict):
    """When things are due, relative to the exam. Minutes; fractions allowed."""

    checks_before_start_min: Positive
    checks_late_warn_s: Positive
    seal_after_last_window_min: NotNegative


class Window(Strict):
    """The hours in which rooms of one kind must be recorded."""

    room_kind: RoomKind
    before_start_min: NotNegative
    after_end_min: NotNegative


class Recording(Strict):
    """How recording is cut and supervised. `lead_s` and `tail_s` are recorded around each required window."""

    segment_s: Annotated[float, Field(ge=2, le=300)]
    lead_s: NotNegative
    tail_s: NotNegative
    stall_s: Positive
    windows: Annotated[tuple[Window, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def one_window_a_kind(self) -> Self:
        kinds = [window.room_kind for window in self.windows]
        twice = sorted({kind.value for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"more than one window for room kind {', '.join(twice)}")
        return self


class Limits(Strict):
    """Where a figure turns into a remark, a failure or an alarm."""

    silent_alarm_s: Positive
    gap_alarm_s: Positive
    gap_critical_s: Positive
    camera_clock_remark_s: Positive
    camera_clock_fail_s: Positive
    box_clock_remark_s: Positive
    box_clock_fail_s: Positive
    disk_needed_days: Positive
    planned_mbit_s: Positive


class Alarms(Strict):
    """The alarm board after ISA-18.2: what counts as chattering, a flood, standing; how long people may put aside.

    `ask_again_min`: acknowledged and still standing, fire, attention, panic and intrusion ask again; all others after
    `ask_again_fault_min`. `silent_loud`: a silent call for help sounds and shows like any other.
    `volume_least`: the quietest the wall may be set to, 0 to 1.
    """

    shelve_longest_min: Positive
    test_longest_min: Positive
    chatter_count: Annotated[int, Field(ge=2)]
    chatter_within_s: Positive
    flood_count: Annotated[int, Field(ge=1)]
    flood_within_min: Positive
    first_up_gap_s: Positive
    standing_h: Positive
    ask_again_min: Positive
    ask_again_fault_min: Positive
    silent_loud: bool
    volume_least: Annotated[float, Field(gt=0, le=1)]


CameraClass = Literal["motion", "tamper", "fault", "input", "relay", "recording"]


class CameraEvents(Strict):
    """Which classes of what cameras tell are alarms: always, or only while the camera's room must be recorded.

    All others are kept and call nobody. An input that is named as a zone of the site is what its role says.
    """

    alarm: tuple[CameraClass, ...] = ("fault",)
    in_windows: tuple[CameraClass, ...] = ("tamper",)


class Live(Strict):
    """The live picture. `viewers`: pages that may watch at once; `cameras`: how many may run only to be watched."""

    viewers: Annotated[int, Field(ge=1, le=16)] = 4
    cameras: Annotated[int, Field(ge=0, le=16)] = 2


class Picture(Strict):
    """The picture watch (docs/recording.md). Brightness goes from 0 to 255.

    `look_s`: each camera is looked at so often while it must be recorded; two looks in a row decide. `frozen_s`: for so
    long, in `frozen_share` of its tiles not one pixel differs. `mask_top`, `mask_bottom`: this share of the rows may
    carry a burnt-in clock and is not looked at. `dark_share` of the pixels shows nothing. Below `covered_contrast` or
    `covered_sharpness` there is nothing to see; `blurred_share`: the sharpness against the approved view's.
    `turned_below`: the likeness to the approved view, 0 to 1.
    """

    look_s: Positive = 18
    frozen_s: Positive = 36
    frozen_share: Annotated[float, Field(gt=0, le=1)] = 0.94
    mask_top: Annotated[float, Field(ge=0, le=0.4)] = 0.12
    mask_bottom: Annotated[float, Field(ge=0, le=0.4)] = 0.12
    dark_share: Annotated[float, Field(gt=0, le=1)] = 0.95
    covered_contrast: Positive = 6
    covered_sharpness: Positive = 2
    blurred_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    turned_below: Annotated[float, Field(gt=0, lt=1)] = 0.4


class CameraSetting(Strict):
    """What a camera is set to when it is taken in, and by "Set by profile". A camera may have only what is nearest.

    The size is "at least": a larger one is left. `text` goes into the picture; {region}, {site} and {room} are filled
    in, empty writes none. `ntp`: time servers, "box" for this box; none: the camera is only given the time.
    """

    codec: Literal["H264", "H265"]
    width_least: Annotated[int, Field(ge=1)]
    height_least: Annotated[int, Field(ge=1)]
    fps: Positive
    gop_s: Positive
    mbit_s: Positive
    text: str = ""
    ntp: tuple[str, ...] = ()


class SignIn(Strict):
    """Sessions and refused passwords."""

    idle_min: Positive
    longest_h: Positive
    tries: Annotated[int, Field(ge=3)]
    pause_s: Positive
    pause_longest_s: Positive
    password_min: Annotated[int, Field(ge=8)]


class Retention(Strict):
    """Recordings are kept until this day of the year after the exam, and what no exam required for `extra_days`.

    `handed_over`: recordings of an exam that was never handed over are kept beyond that, until it is.
    """

    until_month: Annotated[int, Field(ge=1, le=12)]
    until_day: Annotated[int, Field(ge=1, le=31)]
    extra_days: Annotated[float, Field(ge=1)] = 14
    handed_over: bool = True

    @model_validator(mode="after")
    def a_real_day(self) -> Self:
        date(2025, self.until_month, self.until_day)  # not a leap year: 29 February would not exist every year
        return self

    def until(self, exam_day: date) -> date:
        return date(exam_day.year + 1, self.until_month, self.until_day)


class Export(Strict):
    """What leaves the site by default and how long the asked person has to agree."""

    room_kinds: Annotated[tuple[RoomKind, ...], Field(min_length=1)]
    agree_within_min: Positive


class Action(Strict):
    """What people do at the equipment, as the official form prints it.

    `common` ones stand first and take three presses. `needs_room`: a room or a range of rooms is said. `needs_words`:
    the title alone says nothing. `ends_itself`: it is over with the press that announces it (a failure is noticed, not
    worked on).
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Words
    common: bool = False
    needs_room: bool = True
    needs_words: bool = False
    ends_itself: bool = False


class Match(Strict):
    """Which announced actions explain an event that the box entered (docs/journal.md, "Unexplained").

    `events`: kinds of entries; `role` narrows doors to one role of `zone.role`. `actions`: ids of `[[journal.action]]`,
    empty for any. An action covers from `before_min` before its beginning to `after_min` after its end, one that is
    still open at most `lasts_min`. It may be announced up to `announce_min` after the event. `brief_s`: what was over
    by itself within this explains itself.
    """

    events: Annotated[tuple[str, ...], Field(min_length=1)]
    role: str = ""
    actions: tuple[str, ...] = ()
    before_min: NotNegative
    after_min: NotNegative
    announce_min: NotNegative
    lasts_min: Positive
    same_room: bool = True
    brief_s: NotNegative = 0


class Expect(Strict):
    """What an announced action must have made the box see, from `before_min` before it to `after_min` after its end."""

    actions: Annotated[tuple[str, ...], Field(min_length=1)]
    events: Annotated[tuple[str, ...], Field(min_length=1)]
    role: str = ""
    before_min: NotNegative
    after_min: NotNegative
    same_room: bool = True


class Journal(Strict):
    """The access journal. `responsible`: whose second signature an act needs; they must be allowed to read it all.

    `camera_look_min`: how often what each camera tells of itself is compared with what it told before.
    `heartbeat_s`: how often the box enters that it is alive. `checkpoint_s`: how often it is signed while it grows,
    at least; a human action is signed at once. `anchor_remark_h`, `anchor_fail_h`: how long it may have no mark outside
    the box.
    """

    heartbeat_s: Annotated[float, Field(ge=5, le=60)]  # the verifier takes three minutes without one for a hole
    checkpoint_s: Annotated[float, Field(ge=1, le=60)]
    anchor_remark_h: Positive
    anchor_fail_h: Positive
    responsible: Annotated[tuple[Role, ...], Field(min_length=1)]
    signature_min: NotNegative
    signed_on_paper: bool
    action: Annotated[tuple[Action, ...], Field(min_length=1)]
    camera_look_min: Positive
    match: tuple[Match, ...] = ()
    expect: tuple[Expect, ...] = ()

    @model_validator(mode="after")
    def one_of_each(self) -> Self:
        names = [action.id for action in self.action]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"more than one action {', '.join(twice)}")
        blind = [role.value for role in self.responsible if role not in (Role.HEAD, Role.ADMIN)]
        if blind:
            raise ValueError(f"{', '.join(blind)} cannot answer for the journal: only head and admin read all of it")
        rules: tuple[Match | Expect, ...] = (*self.match, *self.expect)
        unknown = {action for rule in rules for action in rule.actions} - set(names)
        if unknown:
            raise ValueError(f"rules name actions that are not there: {', '.join(sorted(unknown))}")
        return self

    def compressed(self, factor: float) -> Journal:
        """The minutes of the rules, `factor` times shorter; people are no quicker."""

        def shorter(rule: Match | Expect) -> dict[str, float]:
            return {name: value / factor for name, value in rule if name.endswith("_min")}

        return self.model_copy(
            update={
                "match": tuple(rule.model_copy(update=shorter(rule)) for rule in self.match),
                "expect": tuple(rule.model_copy(update=shorter(rule)) for rule in self.expect),
            }
        )


class Codes(Strict):
    """Room codes with a meaning of their own."""

    hq: Annotated[str, Field(pattern=r"^\d{4}$")]


class Profile(Strict):
    """One region's rules. The file is named in the site's configuration."""

    id: str
    title: Words
    titles: Titles
    hours: Hours
    recording: Recording
    limits: Limits
    alarms: Alarms
    camera_events: CameraEvents = CameraEvents()
    camera: CameraSetting
    live: Live = Live()
    picture: Picture = Picture()
    signin: SignIn
    retention: Retention
    export: Export
    journal: Journal
    codes: Codes

    def window(self, kind: RoomKind, starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime] | None:
        """The hours in which a room of this kind must be recorded for an exam; None when it need not be."""
        for w in self.recording.windows:
            if w.room_kind is kind:
                return starts_at - timedelta(minutes=w.before_start_min), ends_at + timedelta(minutes=w.after_end_min)
        return None

    def compressed(self, factor: float, *, segment_s: float, lead_s: float, tail_s: float) -> Profile:
        """The same day, `factor` times faster: for the demo. Limits and lengths of segments are not hours and stay."""
        hours = self.hours.model_copy(
            update={
                "checks_before_start_min": self.hours.checks_before_start_min / factor,
                "seal_after_last_window_min": self.hours.seal_after_last_window_min / factor,
            }
        )
        windows = tuple(
            w.model_copy(
                update={"before_start_min": w.before_start_min / factor, "after_end_min": w.after_end_min / factor}
            )
            for w in self.recording.windows
        )
        recording = self.recording.model_copy(
            update={"windows": windows, "segment_s": segment_s, "lead_s": lead_s, "tail_s": tail_s}
        )
        journal = self.journal.compressed(factor)
        return self.model_copy(update={"hours": hours, "recording": recording, "journal": journal})
