"""The way to a camera's web server where it is not straight: addresses it sends us on to, the TLS of old firmware."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3
from requests.adapters import HTTPAdapter

from drivers.onvif_reply import CameraError

REDIRECTS = (301, 302, 303, 307, 308)


def device_url(address: str) -> str:
    """The device service's address: "10.0.0.5", "fe80::5" or "http://10.0.0.5:8000" will do."""
    if address.count(":") > 1 and "[" not in address and "/" not in address:
        address = f"[{address}]"
    try:
        said = urlsplit(address if "://" in address else f"http://{address}")
        said.port  # noqa: B018 - it raises for one there is not
    except ValueError:
        said = urlsplit("")
    if said.scheme not in ("http", "https") or not said.hostname:
        raise CameraError("foreign", "A camera's ONVIF address looks like http://10.0.0.5/.", permanent=True)
    path = said.path if said.path.strip("/") else "/onvif/device_service"
    return urlunsplit((said.scheme, said.netloc.rpartition("@")[2], path, said.query, ""))


class Moved:
    """Where a camera has sent us on to, so that it is asked there at once the next time."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str], tuple[str, str]] = {}
        self._addresses: dict[str, str] = {}

    def at(self, url: str) -> str:
        """Where to ask for this address now."""
        url = self._addresses.get(url, url)
        said = urlsplit(url)
        scheme, place = self._origins.get((said.scheme, said.netloc), (said.scheme, said.netloc))
        return urlunsplit(said._replace(scheme=scheme, netloc=place))

    def follows(self, url: str, location: str) -> bool:
        """Remember where the camera sends us; False when it is not to be followed: nowhere, in a circle, elsewhere.

        Only to the same host: an answer must not send a camera's sign-in to a stranger.
        """
        try:
            target, said = urlsplit(urljoin(url, location.strip())), urlsplit(url)
        except ValueError:
            return False
        known = location and target.scheme in ("http", "https") and target.hostname == said.hostname
        if not known or urlunsplit(target) == url or (said.scheme == "https" and target.scheme == "http"):
            return False
        if (target.path, target.query) == (said.path, said.query):
            self._origins[said.scheme, said.netloc] = (target.scheme, target.netloc)
        else:
            self._addresses[url] = urlunsplit(target)
        return self.at(url) != url


class OldTls(HTTPAdapter):
    """TLS with whoever answers: any certificate, short keys, old versions.

    By Digest and UsernameToken the password does not travel, and plain http, which most cameras speak, is no better.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
        # It would warn at every request; what it says is said once, in the camera's faults.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        super().init_poolmanager(*args, ssl_context=context, **kwargs)
