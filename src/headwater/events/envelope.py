"""Envelope: an event as EventBridge shows it.

Source: EventBridge user guide, "Event structure"; IVS user guide for what IVS puts into it.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from headwater.core.arn import Arn
from headwater.events.details import Detail

VERSION = "0"
SOURCE = "aws.ivs"


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened."""

    id: str  # a UUID, the same however often it is delivered
    kind: str  # the envelope's detail-type
    account: str
    region: str
    channel_id: str  # "" for what belongs to no channel
    time_ms: int  # Unix time
    detail: Detail

    def envelope(self) -> dict[str, Any]:
        """What is delivered."""
        resource = Arn(self.region, self.account, "channel", self.channel_id)
        return {
            "version": VERSION,
            "id": self.id,
            "detail-type": self.kind,
            "source": SOURCE,
            "account": self.account,
            "time": time_of(self.time_ms),
            "region": self.region,
            "resources": [str(resource)] if self.channel_id else [],
            "detail": msgspec.to_builtins(self.detail),
        }


def time_of(time_ms: int) -> str:
    """A Unix time as events show it, to the second: "2026-10-01T12:00:07Z"."""
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
