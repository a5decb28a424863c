"""What ONVIF's client tests ask beyond the picture: profiles, sound, metadata, modes, the card's books, analytics.

The other rows are in test_onvif_conformance.py; docs/onvif.md has the table.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo.onvif_face import Face
from demo.onvif_set_face import furnish
from drivers import onvif_set_card as card
from drivers import onvif_set_media
from drivers.ffmpeg import Source
from drivers.onvif_reply import MEDIA1, MEDIA2
from drivers.onvif_topics import classified, path_of
from drivers.rtsp_ask import ask
from tests.fakes.onvif_faces import MakeFace, camera_at, make_face
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.test_rtsp_relay import record

__all__ = ["make_face"]


def shortly(_seconds: float) -> None:
    """No test waits as long as a camera may."""


@pytest.fixture(params=[MEDIA2, MEDIA1])
def face(make_face: MakeFace, request: pytest.FixtureRequest) -> Face:
    """A camera with both media services, and one with the old one alone."""
    made = make_face()
    furnish(made)
    if request.param == MEDIA1:
        del made.services[MEDIA2]
    return made


def test_row_18_mpeg_4_is_recorded_frame_by_frame(tmp_path: Path) -> None:
    with RtspCamera(Manner(codec="mpeg4", auth=("md5",))) as camera:
        source = Source(camera.url, "u", Manner().password)
        stream = ask(source).stream
        recorded = record(source, stream, tmp_path, 12, "mpeg4")
    first = camera.sent.index(recorded[0])
    assert (stream.video, len(recorded) >= 12) == ("mpeg4", True)
    assert camera.sent[first : first + len(recorded)] == recorded


def test_row_28_a_profile_is_made_filled_and_taken_away(face: Face) -> None:
    camera = camera_at(face)
    made = onvif_set_media.create_profile(camera, "exam", wait=shortly)
    assert (made.ok, made.found) == (True, "made1")
    assert onvif_set_media.add_to_profile(camera, "made1", "Metadata", "metadata", wait=shortly).ok
    assert onvif_set_media.add_to_profile(camera, "made1", "AudioEncoder", "sound", wait=shortly).ok
    one = next(one for one in camera.profiles() if one.token == "made1")
    assert (one.name, one.codec, one.metadata) == ("exam", "H264", "metadata")
    assert one.stream_uri.startswith("rtsp://")  # where its metadata comes too
    onvif_set_media.create_profile(camera, "more", wait=shortly)
    full = onvif_set_media.create_profile(camera, "too many", wait=shortly)
    fixed = onvif_set_media.delete_profile(camera, "main", wait=shortly)
    assert (full.ok, "no room" in full.note, fixed.ok, "stays" in fixed.note) == (False, True, False, True)
    assert onvif_set_media.delete_profile(camera, "made1", wait=shortly).ok


def test_row_28_sound_is_read_with_its_multicast_and_set_to_the_nearest_allowed(face: Face) -> None:
    camera = camera_at(face)
    (sound,) = camera.whole().sounds
    assert (sound.bit_rate_kbps, sound.rate_khz, sound.multicast) == (64, 8, "239.1.2.3:5008")
    result = onvif_set_media.set_sound(camera, codec="AAC", bit_rate_kbps=60, rate_khz=44, wait=shortly)
    assert (result.ok, result.before, result.found) == (True, "G711, 64 kbit/s, 8 kHz", "AAC, 64 kbit/s, 48 kHz")
    missing = onvif_set_media.set_sound(camera, codec="OPUS", wait=shortly)
    assert (missing.ok, missing.note) == (False, "The camera has no OPUS sound. It has: AAC, G711, G726.")


def test_row_28_what_a_metadata_stream_carries_is_read_and_set(face: Face) -> None:
    camera = camera_at(face)
    (one,) = camera.whole().metadata
    assert (one.token, one.events, one.analytics, one.ptz) == ("metadata", True, False, True)
    result = onvif_set_media.set_metadata(camera, events=False, analytics=True, wait=shortly)
    assert (result.ok, result.before, result.found) == (True, "events", "analytics")


def test_row_29_the_mode_of_a_lens_is_set_and_the_restart_it_takes_is_waited_for(make_face: MakeFace) -> None:
    face = make_face()
    state = furnish(face)
    state.restart_s = 0.3
    camera = camera_at(face)
    day, wide = camera.whole().modes
    assert (day.active, wide.active, wide.width, wide.codecs, wide.starts_anew) == (
        True, False, 2592, ("H264", "H265"), True,
    )  # fmt: skip
    result = onvif_set_media.set_source_mode(camera, "lens", "wide", return_s=5, wait=lambda _s: time.sleep(0.02))
    assert (result.ok, result.before, result.note) == (True, "day", "The camera started anew for it.")
    assert state.restarts == 1
    state.ignored.add("SetVideoSourceMode")
    assert not onvif_set_media.set_source_mode(camera, "lens", "day", wait=shortly).ok


def test_row_33_recordings_tracks_and_receivers_are_made_and_taken_away_and_their_limits_are_words(
    make_face: MakeFace,
) -> None:
    face = make_face()
    furnish(face)
    camera = camera_at(face)
    assert card.create_recording(camera, "room 5", "the exam", wait=shortly).found == "card2"
    full = card.create_recording(camera, "room 6", wait=shortly)
    stays = card.delete_recording(camera, "card", wait=shortly)
    assert (full.ok, "no room" in full.note, stays.ok, "stays" in stays.note) == (False, True, False, True)
    assert card.describe_recording(camera, "card2", "room 5, 22.11", wait=shortly).ok
    track = card.create_track(camera, "card2", wait=shortly)
    assert (track.ok, track.found) == (True, "track1")
    found = camera.whole().recordings
    assert [(one.content, one.track_tokens) for one in found] == [
        ("the room", ("video",)), ("room 5, 22.11", ("track1",)),
    ]  # fmt: skip
    assert card.delete_track(camera, "card2", "track1", wait=shortly).ok
    assert card.delete_recording(camera, "card2", wait=shortly).ok
    receiver = card.create_receiver(camera, "rtsp://10.0.0.5/live", wait=shortly)
    assert [(one.token, one.address) for one in camera.whole().receivers] == [(receiver.found, "rtsp://10.0.0.5/live")]
    assert card.delete_receiver(camera, receiver.found, wait=shortly).ok


def test_row_34_analytics_modules_rules_and_their_metadata_are_listed_and_rule_events_known(face: Face) -> None:
    found = camera_at(face).whole()
    assert {one.name: one.type for one in found.modules} == {"motion": "CellMotionEngine", "people": "PeopleCounter"}
    assert {one.name: one.type for one in found.rules} == {"door": "LineDetector", "table": "FieldDetector"}
    assert (found.described, found.facts.profiles[0].analytics) == (("PeopleCounter",), "analytics")
    for topic, name in (("tns1:RuleEngine/LineDetector/Crossed", "Line crossed"),
                        ("tns1:RuleEngine/FieldDetector/ObjectsInside", "Somebody in a watched field")):  # fmt: skip
        assert classified(path_of(topic)) == ("motion", name)
