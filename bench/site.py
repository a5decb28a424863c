"""A throw-away site around the virtual cameras, for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tomli_w

from demo.cameras_process import Address
from demo.site import common_profile

# Of a configuration file by hand; what follows is the benchmark's.
HEAD = """
profile = "ru-ege.toml"
[site]
code = "0000"
name = {{ ru = "Стенд", en = "Bench" }}
timezone = "UTC"
[storage]
data = "data"
video = "video"
"""


def write_site(folder: Path, addresses: Mapping[str, Address], *, segment_s: float) -> Path:
    """Configuration files in `folder`; every camera in one corridor, recorded around the clock of the exam."""
    (folder / "secrets").mkdir(parents=True)
    for address in addresses.values():
        (folder / "secrets" / address.id).write_text(address.password + "\n", encoding="utf-8")
    profile = common_profile().compressed(1, segment_s=segment_s, lead_s=1, tail_s=1)
    (folder / "profile.toml").write_bytes(tomli_w.dumps(profile.model_dump(mode="json")).encode())
    site = {
        "profile": "profile.toml",
        "site": {"code": "0000", "name": {"ru": "Стенд", "en": "Bench"}, "timezone": "UTC"},
        "storage": {"data": "data", "video": "video", "reserve_bytes": 0},
        "room": [{"code": "corridor", "kind": "corridor", "name": {"ru": "Коридор", "en": "Corridor"}}],
        "camera": [
            {
                "id": a.id,
                "name": {"ru": a.id, "en": a.id},
                "room": "corridor",
                "onvif": a.onvif_url,
                "user": a.user,
                "password_file": f"secrets/{a.id}",
            }
            for a in addresses.values()
        ],
    }
    (folder / "site.toml").write_bytes(tomli_w.dumps(site).encode())
    return folder / "site.toml"
