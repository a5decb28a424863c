"""Pictures are judged by what is in them: real frames made by ffmpeg, as a camera would send them."""

from __future__ import annotations

import subprocess

import pytest

from drivers.picture import PictureError, facts


def frame(source: str) -> bytes:
    argv = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-frames:v",
        "1",
        "-c:v",
        "mjpeg",
        "-f",
        "image2",
        "-",
    ]
    return subprocess.run(argv, capture_output=True, check=True, timeout=20).stdout


def test_an_ordinary_picture_is_neither_dark_nor_flat() -> None:
    found = facts(frame("testsrc2=s=1280x720"))
    assert (found.width, found.height) == (1280, 720)
    assert (found.dark, found.flat) == (False, False)
    assert found.sharpness > 100


def test_a_capped_lens_is_dark_and_flat() -> None:
    found = facts(frame("color=black:s=640x360,noise=alls=6"))
    assert found.dark
    assert facts(frame("color=black:s=640x360")).flat


def test_a_blinded_lens_is_flat_but_not_dark() -> None:
    found = facts(frame("color=white:s=640x360"))
    assert (found.dark, found.flat) == (False, True)
    assert found.brightness > 200


def test_a_picture_out_of_focus_is_far_less_sharp() -> None:
    sharp, blurred = facts(frame("testsrc2=s=640x360")), facts(frame("testsrc2=s=640x360,boxblur=8"))
    assert blurred.sharpness < sharp.sharpness / 10


def test_sharpness_is_comparable_between_a_large_camera_and_a_small_one() -> None:
    large, small = facts(frame("testsrc2=s=1920x1080")), facts(frame("testsrc2=s=1920x1080,scale=640:360:flags=area"))
    assert (large.width, small.width) == (1920, 640)
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.25)


@pytest.mark.parametrize("junk", [b"", b"not a picture", frame("testsrc2=s=64x64")[:20]])
def test_bytes_that_are_no_picture_are_refused(junk: bytes) -> None:
    with pytest.raises(PictureError):
        facts(junk)
