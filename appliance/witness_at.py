"""Where a witness of the journal is, as the configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from appliance import cosignatures
from appliance.profile import Strict


class WitnessAt(Strict):
    """Somebody elsewhere who signs the journal's checkpoints (C2SP tlog-witness). Without one nothing leaves the box.

    `url`: what stands before /add-checkpoint. `key`: the witness's public key, NAME+ID+BASE64 of type 0x04.
    `ca_file`: who vouches for its certificate, when that is not one of the public authorities.
    """

    url: str
    key: str
    ca_file: Path | None = None
    every_s: Annotated[float, Field(ge=10)] = 60

    @model_validator(mode="after")
    def sound(self) -> Self:
        if not self.url.startswith(("http://", "https://")) or "@" in self.url:
            raise ValueError("url must begin with http:// or https:// and carry no password")
        cosignatures.cosigner(self.key)
        return self

    @property
    def name(self) -> str:
        return cosignatures.cosigner(self.key).name
