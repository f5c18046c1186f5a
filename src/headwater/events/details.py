"""Details: what each kind of event says, with the names and types of IVS.

Source: IVS user guide, "Using Amazon EventBridge with IVS Low-Latency Streaming". A kind is
EventBridge's `detail-type`. Each event has the channel's name and the stream's id, but for
breaches of an account's limits, which belong to no stream. Optional fields are left out
where they do not apply, as IVS does.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

STATE_CHANGE: Final = "IVS Stream State Change"
HEALTH_CHANGE: Final = "IVS Stream Health Change"
LIMIT_BREACH: Final = "IVS Limit Breach"
RECORDING_CHANGE: Final = "IVS Recording State Change"
AD_BREAK_CHANGE: Final = "IVS Ad Break State Change"


class _Detail(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What they have in common: a field that is not listed here is a mistake."""


class StateChange(_Detail, frozen=True, kw_only=True):
    """An encoder came, is seen, is gone."""

    event_name: Literal[
        "Session Created",
        "Session Ended",
        "Stream Start",
        "Stream End",
        "Stream Failure",
        "Stream Takeover",
        "Stream Takeover Failure",
    ]
    channel_name: str
    stream_id: str
    code: str = ""  # why a session or a takeover failed
    reason: str = ""  # why a stream failed


class HealthChange(_Detail, frozen=True, kw_only=True):
    """An encoder sends less than it should, or enough again."""

    event_name: Literal["Starvation Start", "Starvation End"]
    channel_name: str
    stream_id: str


class StreamLimitBreach(_Detail, frozen=True, kw_only=True):
    """An input is beyond what IVS takes."""

    limit_name: Literal["Ingest Bitrate", "Ingest Resolution"]
    limit_value: int
    exceeded_by: int  # the value at the breach, less the limit
    limit_unit: Literal["bits per second", "total pixels", "pixels per edge"]
    channel_name: str
    stream_id: str


class AccountLimitBreach(_Detail, frozen=True, kw_only=True):
    """An account has more of something in a region than it may."""

    limit_name: Literal["Concurrent Broadcasts", "Concurrent Viewers"]
    limit_value: int
    exceeded_by: int
    limit_unit: Literal["active streams", "viewers"]


class RecordingChange(_Detail, frozen=True, kw_only=True):
    """A recording began or is over; it has a status where others have an event's name."""

    channel_name: str
    stream_id: str
    recording_status: Literal[
        "Recording Start", "Recording End", "Recording Start Failure", "Recording End Failure"
    ]
    recording_status_reason: str
    recording_s3_bucket_name: str
    recording_s3_key_prefix: str
    recording_duration_ms: int
    recording_session_id: str
    recording_session_stream_ids: list[str] | None = None  # of what was merged


class AdBreakChange(_Detail, frozen=True, kw_only=True):
    """An ad break was asked for."""

    event_name: Literal["Ad Break Inserted"]
    channel_name: str
    stream_id: str
    ad_break_id: str
    duration_seconds: int
    target_start_time: str  # as an envelope's time


Detail = (
    StateChange
    | HealthChange
    | StreamLimitBreach
    | AccountLimitBreach
    | RecordingChange
    | AdBreakChange
)

_OF_STREAMS: Mapping[str, tuple[type[Detail], str]] = MappingProxyType(
    {
        STATE_CHANGE: (StateChange, "event_name"),
        HEALTH_CHANGE: (HealthChange, "event_name"),
        LIMIT_BREACH: (StreamLimitBreach, "limit_name"),
        RECORDING_CHANGE: (RecordingChange, "recording_status"),
        AD_BREAK_CHANGE: (AdBreakChange, "event_name"),
    }
)
"""A kind's detail, and the field in which it has its name."""


def stream_detail(kind: str, name: str, given: Mapping[str, Any]) -> Detail:
    """The detail of an event of a stream.

    Args:
        kind: one of the five.
        name: what happened, e.g. "Stream Start".
        given: the other fields; the channel's name and the stream's id always.

    Raises:
        msgspec.ValidationError: not what IVS documents: a mistake of ours.
    """
    type_, name_field = _OF_STREAMS[kind]
    return msgspec.convert({**given, name_field: name}, type_)


def account_detail(kind: str, given: Mapping[str, Any]) -> Detail:
    """The detail of an event of no stream; IVS has breaches of limits only.

    Raises:
        msgspec.ValidationError: not what IVS documents: a mistake of ours.
    """
    if kind != LIMIT_BREACH:
        raise msgspec.ValidationError(f"{kind} belongs to a stream")
    return msgspec.convert(dict(given), AccountLimitBreach)
