"""What cameras tell is heard once and understood however it is written."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from drivers.onvif_topics import NAMES, CameraEvent, classified, events_of, path_of
from tests.fakes.onvif_faces import MakeFace, camera_at, hear, listen, make_face, move
from tests.test_words import russian

__all__ = ["make_face"]


def notification(topic: str, source: str, data: str, operation: str = "Changed") -> CameraEvent:
    body = (
        f'<r xmlns:tt="t" xmlns:w="w"><w:NotificationMessage><w:Topic>{topic}</w:Topic><w:Message><tt:Message '
        f'UtcTime="2026-11-22T10:00:00Z" PropertyOperation="{operation}"><tt:Source>{source}</tt:Source>'
        f"<tt:Data>{data}</tt:Data></tt:Message></w:Message></w:NotificationMessage></r>"
    )
    (event,) = events_of(etree.fromstring(body))
    return event


def item(name: str, value: str) -> str:
    return f'<tt:SimpleItem Name="{name}" Value="{value}"/>'


@pytest.mark.parametrize(
    ("topic", "kind", "code"),
    [
        ("tns1:VideoSource/MotionAlarm", "motion", "MotionAlarm"),
        ("tns1:RuleEngine/CellMotionDetector/Motion", "motion", "Motion"),
        ("tns1:RuleEngine/CellMotionDetector/Motion//.", "motion", "Motion"),
        ("tns1:VideoSoure/tns1:MotionAlarm", "motion", "MotionAlarm"),
        ("tns1:VideoSource/ImageTooDark/AnalyticsService", "tamper", "ImageTooDark"),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", "tamper", "GlobalSceneChange"),
        ("tns1:RuleEngine/TamperDetector/Tamper", "tamper", "Tamper"),
        ("tns1:Device/HardwareFailure/StorageFailure", "fault", "StorageFailure"),
        ("tns1:Device/HardwareFailure/TemperatureCritical", "fault", "TemperatureCritical"),
        ("tns1:Device/Trigger/DigitalInput", "input", "DigitalInput"),
        ("tns1:Device/tnsaxis:IO/Port", "input", "Port"),
        ("tns1:Device/Trigger/Relay", "relay", "Relay"),
        ("tns1:Monitoring/OperatingTime/LastReboot", "reboot", "LastReboot"),
        ("tns1:Media/ConfigurationChanged", "config", "ConfigurationChanged"),
        ("tns1:UserAlarm/tnshik:IllegalAccess", "signin", "IllegalAccess"),
        ("tns1:RecordingConfig/JobState", "recording", "JobState"),
        ("tns1:Something/Else", "other", "Something/Else"),
    ],
)
def test_a_topic_is_known_by_its_last_parts(topic: str, kind: str, code: str) -> None:
    event = notification(topic, item("Token", "1"), item("State", "true"))
    assert (event.kind, event.code) == (kind, code)
    assert classified(path_of(topic))[0] == kind


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("State", "true", "active"), ("IsMotion", "1", "active"), ("LogicalState", "active", "active"),
        ("Whatever", "On", "active"), ("State", "false", "restored"), ("LogicalState", "inactive", "restored"),
        ("Failed", "0", "restored"), ("Level", "73", "info"),
    ],
)  # fmt: skip
def test_any_value_that_says_yes_or_no_is_understood(name: str, value: str, state: str) -> None:
    assert notification("tns1:VideoSource/MotionAlarm", item("Token", "1"), item(name, value)).state == state


def test_the_telling_value_is_taken_where_there_are_several_and_the_lens_not_the_rule() -> None:
    event = notification(
        "tns1:RuleEngine/CellMotionDetector/Motion",
        item("VideoAnalyticsConfigurationToken", "va") + item("Rule", "r1") + item("VideoSourceToken", "v1"),
        item("ObjectId", "0") + item("IsMotion", "true"),
    )
    assert (event.source, event.state, event.operation) == ("v1", "active", "Changed")
    assert event.at is not None
    assert event.at.hour == 10


def test_what_is_deleted_is_over_and_an_empty_notification_harms_nobody() -> None:
    gone = notification("tns1:VideoSource/MotionAlarm", item("Token", "1"), item("State", "true"), "Deleted")
    assert gone.state == "restored"
    (nothing,) = events_of(etree.fromstring("<r><NotificationMessage/></r>"))
    assert (nothing.kind, nothing.state, nothing.source, nothing.at) == ("other", "info", "", None)


def test_every_name_has_its_russian() -> None:
    known = russian()
    assert [name for name in NAMES if not all(known.get(name, [""]))] == []


def test_what_stands_is_told_to_a_new_subscription_as_initialized(make_face: MakeFace) -> None:
    face = make_face()
    move(face)
    events = listen(camera_at(face))
    assert hear(events, kind="motion", state="active").operation == "Initialized"
    move(face, False)
    assert hear(events, kind="motion", state="restored").operation == "Changed"


def test_a_subscription_is_renewed_at_four_fifths_and_stays_the_same(make_face: MakeFace) -> None:
    face = make_face()
    events = listen(camera_at(face), lifetime_s=3.0)
    until_s = time.monotonic() + 10
    while "Renew" not in face.pull.counts and time.monotonic() < until_s:
        events.pull()
    assert (face.pull.counts["CreatePullPointSubscription"], face.pull.counts["Renew"]) == (1, 1)
    events.stop()
    assert face.pull.subscriptions == {}


def test_a_lost_subscription_is_made_anew_and_says_that_what_stood_is_to_be_read_again(make_face: MakeFace) -> None:
    face = make_face()
    events = listen(camera_at(face))
    assert events.pull().fresh
    assert not events.pull().fresh
    time.sleep(0.1)  # it has lived
    face.pull.reboot()
    assert any(events.pull().fresh for _ in range(3))
