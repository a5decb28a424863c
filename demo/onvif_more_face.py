"""What else a virtual camera keeps books of: its name and name servers, sound, metadata, modes of its lens, profiles
that were made, the card's recordings, receivers and rules. Tables and their answers; `furnish` of onvif_set_face puts
them into a face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from demo.onvif_face import Face
from demo.onvif_soap import NAMESPACES, Fault, said, told
from demo.onvif_view_face import View

MEDIA2 = f"{{{NAMESPACES['tr2']}}}"
SOUNDS = {"PCMU": ((64,), (8,)), "G726": ((16, 32), (8,)), "MP4A-LATM": ((32, 64, 128), (16, 48))}
MEDIA1_NAMES = {"PCMU": "G711", "MP4A-LATM": "AAC"}
MAC = "02:00:00:00:00:05"
MODES = {"day": (1920, 1080), "wide": (2592, 1944)}
MOST_PROFILES = 3


@dataclass(slots=True)
class More:
    """`protocols`: name to (on, port)."""

    hostname: str = ""
    by_dhcp: bool = False
    gateway: str = "127.0.0.254"
    dns: list[str] = field(default_factory=lambda: ["127.0.0.53"])
    protocols: dict[str, tuple[bool, int]] = field(default_factory=dict)
    made: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)  # profile to name, kind to token
    sound: tuple[str, int, int] = ("PCMU", 64, 8)
    metadata: set[str] = field(default_factory=lambda: {"Events"})
    mode: str = "day"


def more_answers(
    face: Face, more: More, view: View, profiles: Callable[[Any], str], restart: Callable[[], None]
) -> dict[str, Callable[[Any], str]]:
    """Operation to answer. `profiles` answers GetProfiles without those made; `restart`: the camera starts anew."""
    more.hostname = more.hostname or face.subject.config.id
    more.protocols |= {"HTTP": (True, int(face.base.rpartition(":")[2])), "HTTPS": (False, 443)}
    return {**_network(more), **_address(more), **_profiles(more, view, profiles), **_sound(more), **_metadata(more),
            **_modes(more, restart)}  # fmt: skip


def _network(more: More) -> dict[str, Callable[[Any], str]]:
    def hostname(request: Any) -> str:
        return told("GetHostname", request, "<r:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP>"
                    f"<tt:Name>{escape(more.hostname)}</tt:Name></r:HostnameInformation>")  # fmt: skip

    def set_hostname(request: Any) -> str:
        more.hostname = said(request, "Name")
        return told("SetHostname", request)

    def dns(request: Any) -> str:
        servers = "".join("<tt:DNSManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>"
                          f"{one}</tt:IPv4Address></tt:DNSManual>" for one in more.dns)  # fmt: skip
        return told("GetDNS", request,
                    f"<r:DNSInformation><tt:FromDHCP>false</tt:FromDHCP>{servers}</r:DNSInformation>")  # fmt: skip

    def set_dns(request: Any) -> str:
        more.dns[:] = [node.text for node in request.iter() if node.tag.endswith("}IPv4Address") and node.text]
        return told("SetDNS", request)

    def protocols(request: Any) -> str:
        return told("GetNetworkProtocols", request, "".join(
            f"<r:NetworkProtocols><tt:Name>{name}</tt:Name><tt:Enabled>{str(on).lower()}</tt:Enabled>"
            f"<tt:Port>{port}</tt:Port></r:NetworkProtocols>" for name, (on, port) in more.protocols.items()
        ))  # fmt: skip

    def set_protocols(request: Any) -> str:
        more.protocols[said(request, "Name")] = (said(request, "Enabled") == "true", int(said(request, "Port")))
        return told("SetNetworkProtocols", request)

    return {"GetHostname": hostname, "SetHostname": set_hostname, "GetDNS": dns, "SetDNS": set_dns,
            "GetNetworkProtocols": protocols, "SetNetworkProtocols": set_protocols}  # fmt: skip


def _address(more: More) -> dict[str, Callable[[Any], str]]:
    def interfaces(request: Any) -> str:
        kind = "FromDHCP" if more.by_dhcp else "Manual"
        return told("GetNetworkInterfaces", request, (
            '<r:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info><tt:Name>eth0</tt:Name>'
            f"<tt:HwAddress>{MAC}</tt:HwAddress></tt:Info><tt:IPv4><tt:Enabled>true</tt:Enabled><tt:Config>"
            f"<tt:{kind}><tt:Address>127.0.0.1</tt:Address><tt:PrefixLength>8</tt:PrefixLength></tt:{kind}>"
            f"<tt:DHCP>{str(more.by_dhcp).lower()}</tt:DHCP></tt:Config></tt:IPv4></r:NetworkInterfaces>"
        ))  # fmt: skip

    def set_interfaces(request: Any) -> str:
        if said(request, "Address") != "127.0.0.1":
            raise Fault(400, "ter:InvalidIPv4Address", "this virtual camera stays where it is")
        more.by_dhcp = said(request, "DHCP") == "true"
        return told("SetNetworkInterfaces", request, "<r:RebootNeeded>true</r:RebootNeeded>")

    def gateway(request: Any) -> str:
        inside = f"<r:NetworkGateway><tt:IPv4Address>{more.gateway}</tt:IPv4Address></r:NetworkGateway>"
        return told("GetNetworkDefaultGateway", request, inside)

    def set_gateway(request: Any) -> str:
        more.gateway = said(request, "IPv4Address")
        return told("SetNetworkDefaultGateway", request)

    return {"GetNetworkInterfaces": interfaces, "SetNetworkInterfaces": set_interfaces,
            "GetNetworkDefaultGateway": gateway, "SetNetworkDefaultGateway": set_gateway}  # fmt: skip


def _profiles(more: More, view: View, plain: Callable[[Any], str]) -> dict[str, Callable[[Any], str]]:
    def listed(request: Any) -> str:
        """The one there is, and those made: copies of it with what was put in."""
        answer, media2 = plain(request), request.tag.startswith(MEDIA2)
        main = answer[answer.index("<r:Profiles") : answer.index("</r:GetProfilesResponse>")]
        end = "</r:Configurations></r:Profiles>" if media2 else "</r:Profiles>"
        made = ""
        for token, (name, parts) in more.made.items():
            extra = "".join(
                f'<r:{kind} token="{part}"/>' if media2 else f'<tt:{kind}Configuration token="{part}"/>'
                for kind, part in parts.items() if kind not in ("VideoSource", "VideoEncoder")
            )  # fmt: skip
            named = main.replace('token="main" fixed="true"', f'token="{token}"').replace("Name>main<", f"Name>{name}<")
            made += named.replace(end, extra + end)
        return answer.replace(main, main + made)

    def create(request: Any) -> str:
        if len(more.made) + 1 >= MOST_PROFILES:
            raise Fault(400, "ter:MaxNVTProfiles", "no room for another profile")
        token = f"made{len(more.made) + 1}"
        more.made[token] = (said(request, "Name"), {})
        view.profiles.add(token)
        inside = f"<r:Token>{token}</r:Token>" if request.tag.startswith(MEDIA2) else f'<r:Profile token="{token}"/>'
        return told("CreateProfile", request, inside)

    def put_in(kind: str) -> Callable[[Any], str]:
        def answer(request: Any) -> str:
            what, token = (kind, said(request, "ConfigurationToken")) if kind else (said(request, "Type"), "")
            more.made[said(request, "ProfileToken")][1][what] = token or said(request, "Token")
            return told(f"Add{kind}Configuration", request)

        return answer

    def delete(request: Any) -> str:
        token = said(request, "Token") or said(request, "ProfileToken")
        if token not in more.made:
            raise Fault(400, "ter:DeletionOfFixedProfile", "that profile stays")
        del more.made[token]
        view.profiles.discard(token)
        return told("DeleteProfile", request)

    kinds = ("", "VideoSource", "VideoEncoder", "AudioSource", "AudioEncoder", "Metadata")
    adding = {f"Add{kind}Configuration": put_in(kind) for kind in kinds}
    return {"GetProfiles": listed, "CreateProfile": create, "DeleteProfile": delete, **adding}


def _sound(more: More) -> dict[str, Callable[[Any], str]]:
    def name(codec: str, request: Any) -> str:
        return codec if request.tag.startswith(MEDIA2) else MEDIA1_NAMES.get(codec, codec)

    def sounds(request: Any) -> str:
        codec, bits, rate = more.sound
        return told("GetAudioEncoderConfigurations", request, (
            '<r:Configurations token="sound"><tt:Name>sound</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>{name(codec, request)}</tt:Encoding><tt:Bitrate>{bits}</tt:Bitrate>"
            f"<tt:SampleRate>{rate}</tt:SampleRate><tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>"
            "239.1.2.3</tt:IPv4Address></tt:Address><tt:Port>5008</tt:Port><tt:TTL>5</tt:TTL><tt:AutoStart>false"
            "</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout></r:Configurations>"
        ))  # fmt: skip

    def options(request: Any) -> str:
        def items(numbers: tuple[int, ...]) -> str:
            return "".join(f"<tt:Items>{number}</tt:Items>" for number in numbers)

        return told("GetAudioEncoderConfigurationOptions", request, "".join(
            f"<r:Options><tt:Encoding>{name(codec, request)}</tt:Encoding><tt:BitrateList>{items(bits)}"
            f"</tt:BitrateList><tt:SampleRateList>{items(rates)}</tt:SampleRateList></r:Options>"
            for codec, (bits, rates) in SOUNDS.items()
        ))  # fmt: skip

    def set_sound(request: Any) -> str:
        codec = said(request, "Encoding")
        codec = {v: k for k, v in MEDIA1_NAMES.items()}.get(codec, codec)
        bits, rate = int(said(request, "Bitrate")), int(said(request, "SampleRate"))
        if codec not in SOUNDS or bits not in SOUNDS[codec][0] or rate not in SOUNDS[codec][1]:
            raise Fault(400, "ter:ConfigModify", "the configuration cannot be set")
        more.sound = (codec, bits, rate)
        return told("SetAudioEncoderConfiguration", request)

    return {"GetAudioEncoderConfigurations": sounds, "GetAudioEncoderConfigurationOptions": options,
            "SetAudioEncoderConfiguration": set_sound}  # fmt: skip


def _metadata(more: More) -> dict[str, Callable[[Any], str]]:
    def listed(request: Any) -> str:
        events = "<tt:Events/>" if "Events" in more.metadata else ""
        return told("GetMetadataConfigurations", request, (
            '<r:Configurations token="metadata"><tt:Name>metadata</tt:Name><tt:UseCount>1</tt:UseCount><tt:PTZStatus>'
            f"<tt:Status>true</tt:Status><tt:Position>false</tt:Position></tt:PTZStatus>{events}"
            f"<tt:Analytics>{str('Analytics' in more.metadata).lower()}</tt:Analytics>"
            "<tt:SessionTimeout>PT60S</tt:SessionTimeout></r:Configurations>"
        ))  # fmt: skip

    def set_metadata(request: Any) -> str:
        names = {node.tag.rpartition("}")[2] for node in request.iter()}
        more.metadata.clear()
        more.metadata |= {"Events"} & names | ({"Analytics"} if said(request, "Analytics") == "true" else set())
        return told("SetMetadataConfiguration", request)

    return {"GetMetadataConfigurations": listed, "SetMetadataConfiguration": set_metadata}


def _modes(more: More, restart: Callable[[], None]) -> dict[str, Callable[[Any], str]]:
    def listed(request: Any) -> str:
        return told("GetVideoSourceModes", request, "".join(
            f'<r:VideoSourceModes token="{token}" Enabled="{str(token == more.mode).lower()}"><r:MaxFramerate>25'
            f"</r:MaxFramerate><r:MaxResolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
            "</r:MaxResolution><r:Encodings>H264 H265</r:Encodings><r:Reboot>true</r:Reboot></r:VideoSourceModes>"
            for token, (width, height) in MODES.items()
        ))  # fmt: skip

    def change(request: Any) -> str:
        more.mode = said(request, "VideoSourceModeToken")
        restart()
        return told("SetVideoSourceMode", request, "<r:Reboot>true</r:Reboot>")

    return {"GetVideoSourceModes": listed, "SetVideoSourceMode": change}
