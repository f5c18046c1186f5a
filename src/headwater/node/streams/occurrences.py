"""Occurrences: what happens to streams, as sessions keep it and as events tell it.

Source: IVS API reference, StreamEvent; IVS user guide, "Using Amazon EventBridge".
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from headwater.events import details
from headwater.events.details import LIMIT_BREACH, STATE_CHANGE
from headwater.events.envelope import Event
from headwater.store.events import EventRecord
from headwater.store.records import Scope
from headwater.store.sessions import StreamSessionRecord

MAX_EVENTS = 500
"""Of a session, as GetStreamSession may show; the newest are kept."""

log = structlog.get_logger(__name__)


class Occurrence(Struct, frozen=True, kw_only=True):
    """Something that happened to a stream."""

    name: str
    time_ms: int
    kind: str = STATE_CHANGE
    code: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)  # more for the event alone


def with_event(record: StreamSessionRecord, happened: Occurrence) -> StreamSessionRecord:
    """The record with what happened."""
    name, kind = happened.name, happened.kind
    event = {"name": name, "type": kind, "time_ms": happened.time_ms, "code": happened.code}
    if recording := happened.detail.get("recording_session_id"):
        event["recording"] = recording  # a stream may have several
    return replace(
        record,
        events=[event, *record.events][:MAX_EVENTS],
        has_error_event=(
            record.has_error_event
            or kind == LIMIT_BREACH
            or name.endswith("Failure")
            or bool(happened.code)
        ),
    )


def ended(
    record: StreamSessionRecord, at_ms: int, *, code: str = ""
) -> tuple[StreamSessionRecord, *tuple[Occurrence, ...]]:
    """The record of a session that is over, and what happened by that; `code`: why."""
    happened = [Occurrence(name="Session Ended", time_ms=at_ms, code=code)]
    if record.live_at_ms:
        happened.insert(0, Occurrence(name="Stream End", time_ms=at_ms))
    for each in happened:
        record = with_event(record, each)
    return replace(record, ended_at_ms=at_ms), *happened


def events_of(record: StreamSessionRecord, happened: Sequence[Occurrence]) -> list[EventRecord]:
    """The events that tell what happened to a stream."""
    scope = Scope(record.account, record.region)
    events = []
    for each in happened:
        given = {
            "channel_name": record.channel.get("name", ""),
            "stream_id": record.id,
            **({"code": each.code} if each.code else {}),
            **each.detail,
        }
        try:
            said = details.stream_detail(each.kind, each.name, given)
        except msgspec.ValidationError:
            # A mistake of ours, which is no reason to end a stream.
            log.exception("event not sent: it is not as IVS has it", name=each.name)
        else:
            events.append(event_of(each.kind, scope, record.channel_id, each.time_ms, said))
    return events


def event_of(
    kind: str, scope: Scope, channel_id: str, time_ms: int, said: details.Detail
) -> EventRecord:
    """An event as it will be written."""
    event = Event(
        id=str(uuid4()),
        kind=kind,
        account=scope.account,
        region=scope.region,
        channel_id=channel_id,
        time_ms=time_ms,
        detail=said,
    )
    return EventRecord(
        id=event.id,
        account=event.account,
        region=event.region,
        channel_id=channel_id,
        written_at_ms=0,  # when it is written
        body=msgspec.json.encode(event.envelope()).decode(),
    )
