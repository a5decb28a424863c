"""What a virtual camera shows and sends, as it can be asked and set: encoder by both media services, texts in the
picture, presets and view, picture settings. The true picture stays as it is: these are the books a camera keeps of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from demo.camera_encoder import FPS, GOP, SIZE, SOUND_RATE
from demo.onvif_face import Face
from demo.onvif_soap import NAMESPACES, Fault, said, told

SIZES = ((1920, 1080), (1280, 720), SIZE)
RATES = (25, 20, 15, FPS, 10, 5)
GOPS, BIT_RATES_KBPS = (1, 100), (64, 8192)
MOST_TEXTS = 2
MEDIA2 = f"{{{NAMESPACES['tr2']}}}"
Place = tuple[float, float, float]
SPACES, DEGREES = "http://www.onvif.org/ver10/tptz/PanTiltSpaces/", "SphericalPositionSpaceDegrees"
HALVES = (180.0, 90.0)  # half of what degrees go round and up


@dataclass(slots=True)
class View:
    """Encoder, texts (token: text, corner), presets (token: name, place), where it looks, picture settings."""

    codec: str = "H264"
    size: tuple[int, int] = SIZE
    fps: float = FPS
    gop: int = GOP
    bit_rate_kbps: int = 350
    texts: dict[str, tuple[str, str]] = field(default_factory=lambda: {"name": ("Camera 1", "LowerLeft")})
    presets: dict[str, tuple[str, Place]] = field(
        default_factory=lambda: {"1": ("Дверь", (0.5, 0.1, 0.0)), "2": ("Доска", (-0.5, 0.0, 0.2))}
    )
    looks: Place = (0.0, 0.0, 0.0)
    home: Place = (0.0, 0.0, 0.0)
    spaces: tuple[str, ...] = ("PositionGenericSpace",)  # of pan and tilt; what is not generic is in degrees
    tells: str = ""  # the space it tells its position in
    profiles: set[str] = field(default_factory=lambda: {"main"})
    imaging: dict[str, str] = field(
        default_factory=lambda: {"Brightness": "50", "Contrast": "50", "Exposure/Mode": "AUTO", "IrCutFilter": "AUTO"}
    )


def view_answers(face: Face, view: View) -> dict[str, Callable[[Any], str]]:
    """Operation to answer, for Media1, Media2, PTZ and Imaging."""
    books = _Books(face, view)
    return {
        "GetProfiles": books.profiles, "GetStreamUri": books.stream_uri, "GetSnapshotUri": books.snapshot_uri,
        "GetVideoEncoderConfigurationOptions": books.options, "SetVideoEncoderConfiguration": books.set_encoder,
        "GetOSDs": books.osds, "CreateOSD": books.create_osd, "SetOSD": books.set_osd, "DeleteOSD": books.delete_osd,
        "GetNodes": books.nodes, "GetPresets": books.presets, "SetPreset": books.set_preset,
        "GotoPreset": books.goto_preset, "GetStatus": books.status, "AbsoluteMove": books.move,
        "GotoHomePosition": books.goto_home, "SetHomePosition": books.set_home,
        "GetImagingSettings": books.imaging, "GetOptions": books.imaging_options,
        "SetImagingSettings": books.set_imaging,
    }  # fmt: skip


class _Books:
    def __init__(self, face: Face, view: View) -> None:
        self._face, self._view = face, view

    def profiles(self, request: Any) -> str:
        media2 = request.tag.startswith(MEDIA2)
        source = (
            '<tt:Name>source</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>lens</tt:SourceToken>'
            f'<tt:Bounds x="0" y="0" width="{SIZE[0]}" height="{SIZE[1]}"/>'
        )
        encoder, sound = self._encoder2() if media2 else self._encoder1(), self._sound(media2)
        if media2:
            return told("GetProfiles", request, (
                '<r:Profiles token="main" fixed="true"><r:Name>main</r:Name><r:Configurations>'
                f'<r:VideoSource token="source">{source}</r:VideoSource>{encoder}{sound}'
                '<r:Analytics token="analytics"/></r:Configurations></r:Profiles>'
            ))  # fmt: skip
        return told("GetProfiles", request, (
            '<r:Profiles token="main" fixed="true"><tt:Name>main</tt:Name><tt:VideoSourceConfiguration token="source">'
            f'{source}</tt:VideoSourceConfiguration>{encoder}{sound}'
            '<tt:VideoAnalyticsConfiguration token="analytics"/></r:Profiles>'
        ))  # fmt: skip

    def _resolution(self) -> str:
        width, height = self._view.size
        return f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"

    def _encoder1(self) -> str:
        view = self._view  # Media1 has no word for H.265 (onvif.md, row 24); like many makers we say it all the same
        return (
            '<tt:VideoEncoderConfiguration token="encoder"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>{view.codec}</tt:Encoding>{self._resolution()}<tt:Quality>4</tt:Quality><tt:RateControl>"
            f"<tt:FrameRateLimit>{round(view.fps)}</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>"
            f"<tt:BitrateLimit>{view.bit_rate_kbps}</tt:BitrateLimit></tt:RateControl><tt:{view.codec}><tt:GovLength>"
            f"{view.gop}</tt:GovLength><tt:{view.codec}Profile>Main</tt:{view.codec}Profile></tt:{view.codec}>"
            "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
        )

    def _encoder2(self) -> str:
        view = self._view
        return (
            f'<r:VideoEncoder token="encoder" GovLength="{view.gop}" Profile="Main"><tt:Name>encoder</tt:Name>'
            f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{view.codec}</tt:Encoding>{self._resolution()}"
            f"<tt:RateControl><tt:FrameRateLimit>{view.fps:g}</tt:FrameRateLimit><tt:BitrateLimit>{view.bit_rate_kbps}"
            "</tt:BitrateLimit></tt:RateControl><tt:Quality>4</tt:Quality></r:VideoEncoder>"
        )

    def _sound(self, media2: bool) -> str:
        sound = self._face.subject.config.sound
        if sound not in SOUND_RATE:
            return ""
        name = {"pcma": "PCMU" if media2 else "G711", "aac": "MP4A-LATM" if media2 else "AAC"}[sound]
        element = "r:AudioEncoder" if media2 else "tt:AudioEncoderConfiguration"
        return (
            f'<{element} token="sound"><tt:Name>sound</tt:Name><tt:Encoding>{name}</tt:Encoding>'
            f"<tt:SampleRate>{SOUND_RATE[sound] // 1000}</tt:SampleRate></{element}>"
        )

    def stream_uri(self, request: Any) -> str:
        profile = said(request, "ProfileToken")
        return self._uri("GetStreamUri", request, self._face.stream_uri + ("" if profile == "main" else f"?{profile}"))

    def snapshot_uri(self, request: Any) -> str:
        return self._uri("GetSnapshotUri", request, f"{self._face.base}/snapshot.jpg")

    def _uri(self, operation: str, request: Any, uri: str) -> str:
        self._known_profile(request)
        inside = f"<tt:Uri>{escape(uri)}</tt:Uri>"
        if request.tag.startswith(MEDIA2):
            return told(operation, request, f"<r:Uri>{escape(uri)}</r:Uri>")
        return told(operation, request, f"<r:MediaUri>{inside}</r:MediaUri>")

    def _known_profile(self, request: Any) -> None:
        if (name := said(request, "ProfileToken")) not in self._view.profiles:
            raise Fault(400, "ter:NoProfile", f"there is no profile {name}")

    def options(self, request: Any) -> str:
        sizes = "".join(f"<tt:ResolutionsAvailable><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
                        "</tt:ResolutionsAvailable>" for width, height in SIZES)  # fmt: skip
        low, high = BIT_RATES_KBPS
        bits = f"<tt:BitrateRange><tt:Min>{low}</tt:Min><tt:Max>{high}</tt:Max></tt:BitrateRange>"
        if request.tag.startswith(MEDIA2):
            rates = " ".join(str(rate) for rate in RATES)
            return told("GetVideoEncoderConfigurationOptions", request, "".join(
                f'<r:Options GovLengthRange="{GOPS[0]} {GOPS[1]}" FrameRatesSupported="{rates}">'
                f"<tt:Encoding>{codec}</tt:Encoding><tt:QualityRange><tt:Min>0</tt:Min><tt:Max>10</tt:Max>"
                f"</tt:QualityRange>{sizes}{bits}</r:Options>" for codec in ("H264", "H265")
            ))  # fmt: skip
        one = (
            f"{sizes}<tt:GovLengthRange><tt:Min>{GOPS[0]}</tt:Min><tt:Max>{GOPS[1]}</tt:Max></tt:GovLengthRange>"
            f"<tt:FrameRateRange><tt:Min>{min(RATES)}</tt:Min><tt:Max>{max(RATES)}</tt:Max></tt:FrameRateRange>"
            "<tt:EncodingIntervalRange><tt:Min>1</tt:Min><tt:Max>1</tt:Max></tt:EncodingIntervalRange>"
            "<tt:H264ProfilesSupported>Main</tt:H264ProfilesSupported>"
        )
        return told("GetVideoEncoderConfigurationOptions", request, (
            "<r:Options><tt:QualityRange><tt:Min>0</tt:Min><tt:Max>10</tt:Max></tt:QualityRange>"
            f"<tt:H264>{one}</tt:H264><tt:Extension><tt:H264>{one}{bits}</tt:H264></tt:Extension></r:Options>"
        ))  # fmt: skip

    def set_encoder(self, request: Any) -> str:
        size = (int(said(request, "Width")), int(said(request, "Height")))
        fps, gop = float(said(request, "FrameRateLimit")), said(request, "GovLength")
        configuration = next(node for node in request.iter() if node.tag.endswith("}Configuration"))
        gop = gop or configuration.get("GovLength", "") or str(self._view.gop)
        codec, rate = said(request, "Encoding"), int(said(request, "BitrateLimit"))
        fits = size in SIZES and min(RATES) <= fps <= max(RATES) and GOPS[0] <= int(gop) <= GOPS[1]
        if not fits or not BIT_RATES_KBPS[0] <= rate <= BIT_RATES_KBPS[1] or codec not in ("H264", "H265"):
            raise Fault(400, "ter:ConfigModify", "the configuration cannot be set")
        view = self._view
        view.codec, view.size, view.fps, view.gop, view.bit_rate_kbps = codec, size, fps, int(gop), rate
        return told("SetVideoEncoderConfiguration", request, "")

    def osds(self, request: Any) -> str:
        return told("GetOSDs", request, "".join(
            f"<r:OSDs token={quoteattr(token)}><tt:VideoSourceConfigurationToken>source"
            f"</tt:VideoSourceConfigurationToken><tt:Type>Text</tt:Type><tt:Position><tt:Type>{place}</tt:Type>"
            f"</tt:Position><tt:TextString><tt:Type>Plain</tt:Type><tt:PlainText>{escape(words)}</tt:PlainText>"
            "</tt:TextString></r:OSDs>" for token, (words, place) in self._view.texts.items()
        ))  # fmt: skip

    def create_osd(self, request: Any) -> str:
        if len(self._view.texts) >= MOST_TEXTS:
            raise Fault(400, "ter:MaxOSDs", "no room for another text")
        token = f"text{len(self._view.texts) + 1}"
        self._view.texts[token] = _text_of(request)
        return told("CreateOSD", request, f"<r:OSDToken>{token}</r:OSDToken>")

    def set_osd(self, request: Any) -> str:
        token = next(node.get("token", "") for node in request.iter() if node.tag.endswith("}OSD"))
        if token not in self._view.texts:
            raise Fault(400, "ter:NoConfig", "there is no such text")
        self._view.texts[token] = _text_of(request)
        return told("SetOSD", request, "")

    def delete_osd(self, request: Any) -> str:
        self._view.texts.pop(said(request, "OSDToken"), None)
        return told("DeleteOSD", request, "")

    def nodes(self, request: Any) -> str:
        spaces = "".join(
            f"<tt:{kind}><tt:URI>{SPACES}{name}</tt:URI>"
            + "".join(f"<tt:{axis}Range><tt:Min>{-end}</tt:Min><tt:Max>{end}</tt:Max></tt:{axis}Range>"
                      for axis, end in zip("XY", HALVES if name == DEGREES else (1, 1), strict=True))
            + f"</tt:{kind}>" for kind, name in self._offered()
        )  # fmt: skip
        return told("GetNodes", request, (
            f'<r:PTZNode token="head"><tt:Name>head</tt:Name><tt:SupportedPTZSpaces>{spaces}</tt:SupportedPTZSpaces>'
            "<tt:MaximumNumberOfPresets>8</tt:MaximumNumberOfPresets><tt:HomeSupported>true</tt:HomeSupported>"
            "</r:PTZNode>"
        ))  # fmt: skip

    def _offered(self) -> list[tuple[str, str]]:
        return [("AbsolutePanTiltPositionSpace", name) for name in self._view.spaces]

    def presets(self, request: Any) -> str:
        self._known_profile(request)
        return told("GetPresets", request, "".join(
            f"<r:Preset token={quoteattr(token)}><tt:Name>{escape(name)}</tt:Name><tt:PTZPosition>{_place(where)}"
            "</tt:PTZPosition></r:Preset>" for token, (name, where) in self._view.presets.items()
        ))  # fmt: skip

    def set_preset(self, request: Any) -> str:
        token = said(request, "PresetToken") or str(len(self._view.presets) + 1)
        self._view.presets[token] = (said(request, "PresetName"), self._view.looks)
        return told("SetPreset", request, f"<r:PresetToken>{token}</r:PresetToken>")

    def goto_preset(self, request: Any) -> str:
        found = self._view.presets.get(said(request, "PresetToken"))
        if found is None:
            raise Fault(400, "ter:NoToken", "there is no such preset")
        self._view.looks = found[1]
        return told("GotoPreset", request, "")

    def status(self, request: Any) -> str:
        pan, tilt, zoom = self._view.looks
        space = f' space="{SPACES}{self._view.tells}"' if self._view.tells else ""
        if self._view.tells == DEGREES or (not space and self._view.spaces == (DEGREES,)):
            pan, tilt = pan * HALVES[0], tilt * HALVES[1]
        place = _place((pan, tilt, zoom)).replace("<tt:PanTilt", f"<tt:PanTilt{space}")
        return told("GetStatus", request, f"<r:PTZStatus><tt:Position>{place}</tt:Position></r:PTZStatus>")

    def move(self, request: Any) -> str:
        turn = next(node for node in request.iter() if node.tag.endswith("}PanTilt"))
        zoom = next(node for node in request.iter() if node.tag.endswith("}Zoom"))
        space = turn.get("space", SPACES + self._view.spaces[0]).removeprefix(SPACES)
        if space not in self._view.spaces:
            raise Fault(400, "ter:SpaceNotSupported", f"there is no space {space}")
        pan, tilt = float(turn.get("x")), float(turn.get("y"))
        pan, tilt = (pan / HALVES[0], tilt / HALVES[1]) if space == DEGREES else (pan, tilt)
        if abs(pan) > 1 or abs(tilt) > 1:
            raise Fault(400, "ter:InvalidPosition", "out of range")
        self._view.looks = (pan, tilt, float(zoom.get("x")))
        return told("AbsoluteMove", request, "")

    def goto_home(self, request: Any) -> str:
        self._view.looks = self._view.home
        return told("GotoHomePosition", request, "")

    def set_home(self, request: Any) -> str:
        self._view.home = self._view.looks
        return told("SetHomePosition", request, "")

    def imaging(self, request: Any) -> str:
        has = self._view.imaging
        return told("GetImagingSettings", request, (
            f"<r:ImagingSettings><tt:Brightness>{has['Brightness']}</tt:Brightness><tt:Contrast>{has['Contrast']}"
            f"</tt:Contrast><tt:Exposure><tt:Mode>{has['Exposure/Mode']}</tt:Mode></tt:Exposure>"
            f"<tt:IrCutFilter>{has['IrCutFilter']}</tt:IrCutFilter></r:ImagingSettings>"
        ))  # fmt: skip

    def imaging_options(self, request: Any) -> str:
        return told("GetOptions", request, (
            "<r:ImagingOptions><tt:Brightness><tt:Min>0</tt:Min><tt:Max>100</tt:Max></tt:Brightness><tt:Contrast>"
            "<tt:Min>0</tt:Min><tt:Max>100</tt:Max></tt:Contrast></r:ImagingOptions>"
        ))  # fmt: skip

    def set_imaging(self, request: Any) -> str:
        for path in self._view.imaging:
            value = said(request, path.rpartition("/")[2])
            if value and path in ("Brightness", "Contrast") and not 0 <= float(value) <= 100:
                raise Fault(400, "ter:SettingsInvalid", "the setting is out of its range")
            self._view.imaging[path] = value or self._view.imaging[path]
        return told("SetImagingSettings", request, "")


def _text_of(request: Any) -> tuple[str, str]:
    corner = next(node for node in request.iter() if node.tag.endswith("}Position"))
    return said(request, "PlainText"), said(corner, "Type")


def _place(where: Place) -> str:
    return f'<tt:PanTilt x="{where[0]}" y="{where[1]}"/><tt:Zoom x="{where[2]}"/>'
