"""Amazon Resource Names of the ivs service: `arn:aws:ivs:<region>:<account>:<type>/<id>`."""

import re
from typing import Literal

from msgspec import Struct

ResourceType = Literal[
    "channel",
    "stream-key",
    "playback-key",
    "recording-configuration",
    "playback-restriction-policy",
    "ad-configuration",
    "failover-slate-configuration",
]

_ARN = re.compile(r"arn:aws:ivs:([a-z0-9-]+):([0-9]+):([a-z-]+)/([a-zA-Z0-9-]+)")


class Arn(Struct, frozen=True):
    """A parsed ARN; `str()` gives the text back."""

    region: str
    account: str
    type: str
    id: str

    def __str__(self) -> str:
        return f"arn:aws:ivs:{self.region}:{self.account}:{self.type}/{self.id}"


def parse_arn(text: str) -> Arn | None:
    """The parts of an ivs ARN, or None when the text is not one."""
    match = _ARN.fullmatch(text)
    return Arn(*match.groups()) if match else None
