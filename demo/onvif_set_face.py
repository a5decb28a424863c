"""What can be set in a virtual camera: its clock, time servers, users, relays, restart; and the rest of what it tells.

`furnish(face)` gives a Face all of it, and the services of demo/onvif_view_face.py beside. Settings really change: the
clock moves, a new password is wanted at the next sign-in, a restart takes it away for some seconds. `state.ignored`
names operations that are answered with a yes and do nothing, as some cameras do.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from demo.onvif_card_books import ANALYTICS, RECEIVER, Card, card_answers
from demo.onvif_face import Face
from demo.onvif_more_face import More, more_answers
from demo.onvif_soap import NAMESPACES, Fault, said, told
from demo.onvif_view_face import View, view_answers

DEVICEIO = "http://www.onvif.org/ver10/deviceIO/wsdl"
RECORDING = "http://www.onvif.org/ver10/recording/wsdl"
RESTART_S = 3.0
MOST_JOBS, MOST_USERS = 3, 8


@dataclass(slots=True)
class Job:
    """A recording job on the virtual card."""

    recording: str
    mode: str
    fixed: bool = False


@dataclass(slots=True)
class State:
    """What was set; read back by the same questions as in a real camera."""

    zone: str = "UTC0"
    daylight: str = "false"
    by_ntp: bool = False
    ntp: list[str] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)  # user to level
    relays: dict[str, str] = field(default_factory=lambda: {"relay": "inactive"})
    jobs: dict[str, Job] = field(default_factory=lambda: {"job": Job("card", "Idle", fixed=True)})
    view: View = field(default_factory=View)
    more: More = field(default_factory=More)
    card: Card = field(default_factory=Card)
    ignored: set[str] = field(default_factory=set)
    restart_s: float = RESTART_S
    restarts: int = 0


def furnish(
    face: Face,
    *,
    on_restart: Callable[[float], None] = lambda _seconds: None,
    on_password: Callable[[str, str], None] = lambda _user, _password: None,
) -> State:
    """Let everything be asked and set that a good camera has. A restart and the main user's new password are told."""
    config = face.subject.config
    state = State(levels={config.user: "Administrator"}, view=View(codec=config.codec.upper()))
    device = _Device(face, state, on_restart, on_password)
    told_of = {**device.answers(), **view_answers(face, state.view)}
    told_of |= card_answers(state.card)
    told_of |= more_answers(face, state.more, state.view, told_of["GetProfiles"], device.restart)
    for operation, answer in told_of.items():
        face.answers[operation] = _unless_ignored(state, operation, answer)
    face.services |= {
        DEVICEIO: "/onvif/deviceio_service", RECORDING: "/onvif/recording_service",
        NAMESPACES["tr2"]: "/onvif/media2_service", NAMESPACES["tptz"]: "/onvif/ptz_service",
        "http://www.onvif.org/ver20/imaging/wsdl": "/onvif/imaging_service",
        RECEIVER: "/onvif/receiver_service", ANALYTICS: "/onvif/analytics_service",
    }  # fmt: skip
    return state


def _unless_ignored(state: State, operation: str, answer: Callable[[Any], str]) -> Callable[[Face, Any], str]:
    def answered(_face: Face, request: Any) -> str:
        if operation in state.ignored:
            return told(operation, request)
        return answer(request)

    return answered


class _Device:
    """The answers of Device, DeviceIO and Recording."""

    def __init__(
        self, face: Face, state: State, on_restart: Callable[[float], None], on_password: Callable[[str, str], None]
    ) -> None:
        self._face, self._state = face, state
        self._on_restart, self._on_password = on_restart, on_password

    def answers(self) -> dict[str, Callable[[Any], str]]:
        return {
            "GetSystemDateAndTime": self._time, "SetSystemDateAndTime": self._set_time,
            "GetNTP": self._ntp, "SetNTP": self._set_ntp,
            "GetUsers": self._users, "CreateUsers": self._create_users, "SetUser": self._set_user,
            "DeleteUsers": self._delete_users, "SystemReboot": self._restart,
            "GetRelayOutputs": self._relays, "SetRelayOutputState": self._set_relay, "GetDigitalInputs": self._inputs,
            "GetRecordingJobs": self._jobs, "GetRecordingJobState": self._job_state,
            "SetRecordingJobMode": self._set_job, "CreateRecordingJob": self._create_job,
            "DeleteRecordingJob": self._delete_job,
        }  # fmt: skip

    def _time(self, request: Any) -> str:
        now, state = time.gmtime(self._face.now_s()), self._state
        return told("GetSystemDateAndTime", request, (
            f"<r:SystemDateAndTime><tt:DateTimeType>{'NTP' if state.by_ntp else 'Manual'}</tt:DateTimeType>"
            f"<tt:DaylightSavings>{state.daylight}</tt:DaylightSavings>"
            f"<tt:TimeZone><tt:TZ>{escape(state.zone)}</tt:TZ></tt:TimeZone><tt:UTCDateTime><tt:Time>"
            f"<tt:Hour>{now.tm_hour}</tt:Hour><tt:Minute>{now.tm_min}</tt:Minute><tt:Second>{now.tm_sec}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.tm_year}</tt:Year><tt:Month>{now.tm_mon}</tt:Month>"
            f"<tt:Day>{now.tm_mday}</tt:Day></tt:Date></tt:UTCDateTime></r:SystemDateAndTime>"
        ))  # fmt: skip

    def _set_time(self, request: Any) -> str:
        state = self._state
        state.by_ntp = said(request, "DateTimeType") == "NTP"
        state.zone = said(request, "TZ") or state.zone
        state.daylight = said(request, "DaylightSavings") or state.daylight
        if state.by_ntp:
            self._face.subject.clock_offset_s = 0.0  # this computer's clock is kept by such servers
        else:
            names = ("Year", "Month", "Day", "Hour", "Minute", "Second")
            try:
                wanted_s = calendar.timegm((*(int(said(request, name)) for name in names), 0, 0, 0))
            except ValueError as error:
                raise Fault(400, "ter:InvalidDateTime", "that is no time") from error
            self._face.subject.clock_offset_s = wanted_s - time.time()
        return told("SetSystemDateAndTime", request)

    def _ntp(self, request: Any) -> str:
        hosts = "".join(
            f"<tt:NTPManual><tt:Type>DNS</tt:Type><tt:DNSname>{escape(host)}</tt:DNSname></tt:NTPManual>"
            for host in self._state.ntp
        )
        return told("GetNTP", request,
                    f"<r:NTPInformation><tt:FromDHCP>false</tt:FromDHCP>{hosts}</r:NTPInformation>")  # fmt: skip

    def _set_ntp(self, request: Any) -> str:
        names = ("DNSname", "IPv4Address", "IPv6Address")
        self._state.ntp = [node.text for node in request.iter() if node.tag.rpartition("}")[2] in names and node.text]
        return told("SetNTP", request)

    def _users(self, request: Any) -> str:
        users = "".join(
            f"<r:User><tt:Username>{escape(name)}</tt:Username><tt:UserLevel>{level}</tt:UserLevel></r:User>"
            for name, level in self._state.levels.items()
        )
        return told("GetUsers", request, users)

    def _create_users(self, request: Any) -> str:
        name, password = said(request, "Username"), said(request, "Password")
        if name in self._state.levels:
            raise Fault(400, "ter:UsernameClash", "the user exists")
        if len(self._state.levels) >= MOST_USERS:
            raise Fault(400, "ter:TooManyUsers", "no room for another user")
        self._weigh(password)
        self._state.levels[name] = said(request, "UserLevel")
        self._face.gate.others[name] = password
        return told("CreateUsers", request)

    def _set_user(self, request: Any) -> str:
        name, password = said(request, "Username"), said(request, "Password")
        if name not in self._state.levels:
            raise Fault(400, "ter:UsernameMissing", "there is no such user")
        self._weigh(password)
        self._state.levels[name] = said(request, "UserLevel") or self._state.levels[name]
        if name == self._face.gate.user:
            self._face.gate.password = password
            self._on_password(name, password)
        else:
            self._face.gate.others[name] = password
        return told("SetUser", request)

    def _weigh(self, password: str) -> None:
        if len(password) < 8:
            raise Fault(400, "ter:PasswordTooWeak", "the password is too weak")

    def _delete_users(self, request: Any) -> str:
        name = said(request, "Username")
        if name not in self._state.levels or name == self._face.gate.user:
            raise Fault(400, "ter:FixedUser", "that user stays")
        del self._state.levels[name]
        self._face.gate.others.pop(name, None)
        return told("DeleteUsers", request)

    def restart(self) -> None:
        self._state.restarts += 1
        self._face.leave(self._state.restart_s)
        self._face.pull.reboot()
        self._on_restart(self._state.restart_s)

    def _restart(self, request: Any) -> str:
        self.restart()
        return told("SystemReboot", request, f"<r:Message>back in {self._state.restart_s:g} s</r:Message>")

    def _relays(self, request: Any) -> str:
        return told("GetRelayOutputs", request, "".join(
            f'<r:RelayOutputs token="{token}"><tt:Properties><tt:Mode>Bistable</tt:Mode><tt:DelayTime>PT0S'
            "</tt:DelayTime><tt:IdleState>open</tt:IdleState></tt:Properties></r:RelayOutputs>"
            for token in self._state.relays
        ))  # fmt: skip

    def _set_relay(self, request: Any) -> str:
        token = said(request, "RelayOutputToken")
        if token not in self._state.relays:
            raise Fault(400, "ter:RelayToken", "there is no such relay")
        self._state.relays[token] = said(request, "LogicalState")
        self._face.pull.emit("tns1:Device/Trigger/Relay", {"RelayToken": token},
                             {"LogicalState": self._state.relays[token]})  # fmt: skip
        return told("SetRelayOutputState", request)

    def _inputs(self, request: Any) -> str:
        return told("GetDigitalInputs", request, '<r:DigitalInputs token="contact" IdleState="closed"/>')

    def _jobs(self, request: Any) -> str:
        return told("GetRecordingJobs", request, "".join(
            f"<r:JobItem><tt:JobToken>{token}</tt:JobToken><tt:JobConfiguration><tt:RecordingToken>{job.recording}"
            f"</tt:RecordingToken><tt:Mode>{job.mode}</tt:Mode><tt:Priority>1</tt:Priority></tt:JobConfiguration>"
            "</r:JobItem>" for token, job in self._state.jobs.items()
        ))  # fmt: skip

    def _job(self, request: Any) -> Job:
        found = self._state.jobs.get(said(request, "JobToken"))
        if found is None:
            raise Fault(400, "ter:NoRecordingJob", "there is no such job")
        return found

    def _job_state(self, request: Any) -> str:
        job = self._job(request)
        return told("GetRecordingJobState", request, f"<r:State><tt:RecordingToken>{job.recording}</tt:RecordingToken>"
                    f"<tt:State>{job.mode}</tt:State></r:State>")  # fmt: skip

    def _set_job(self, request: Any) -> str:
        self._job(request).mode = said(request, "Mode")
        return told("SetRecordingJobMode", request)

    def _create_job(self, request: Any) -> str:
        if len(self._state.jobs) >= MOST_JOBS:
            raise Fault(500, "ter:MaxRecordingJobs", "no room for another job")
        token = f"job{len(self._state.jobs) + 1}"
        self._state.jobs[token] = Job(said(request, "RecordingToken"), said(request, "Mode"))
        return told("CreateRecordingJob", request, f"<r:JobToken>{token}</r:JobToken>")

    def _delete_job(self, request: Any) -> str:
        if self._job(request).fixed:
            raise Fault(500, "ter:CannotDelete", "that job stays")
        del self._state.jobs[said(request, "JobToken")]
        return told("DeleteRecordingJob", request)
