"""Stream sessions: get, list. They outlive their channel by 60 days (`node.sessions`).

Source: IVS API reference; IVS user guide, "Monitoring" (GetStreamSession's sample). Where
they are silent: newest first; a session starts when viewers can be served, as GetStream
says, and before that when the encoder was let in; of a channel that is deleted and has no
sessions nothing is known. The channel is shown without its SRT passphrase, as in AWS's sample.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from headwater.api.errors import ResourceNotFoundError
from headwater.api.operation import Call, operation
from headwater.api.operations.channels import channel_shape
from headwater.api.operations.recording_configurations import recording_configuration_shape
from headwater.api.pagination import cut
from headwater.api.resources import member
from headwater.core.arn import parse_arn
from headwater.core.secret import Secret
from headwater.shapes.channels import Channel
from headwater.shapes.failover_slates import FailoverSlateConfiguration
from headwater.shapes.recording_configurations import RecordingConfiguration
from headwater.shapes.stream_sessions import (
    GetStreamSessionRequest,
    GetStreamSessionResponse,
    IngestConfiguration,
    IngestConfigurations,
    ListStreamSessionsRequest,
    ListStreamSessionsResponse,
    StreamEvent,
    StreamSession,
    StreamSessionSummary,
)
from headwater.shapes.wire import shaped, time_of
from headwater.store.records import (
    ChannelRecord,
    FailoverSlateConfigurationRecord,
    Position,
    RecordingConfigurationRecord,
    Scope,
)
from headwater.store.sessions import StreamSessionRecord


@operation("GetStreamSession", on=member("channel_arn"))
async def get_stream_session(call: Call, req: GetStreamSessionRequest) -> GetStreamSessionResponse:
    """One session, of a stream that goes on or is over."""
    channel_id = _channel_id(call, req.channel_arn)
    sessions = call.store.sessions
    if req.stream_id is UNSET:
        latest = await sessions.page(call.scope, channel_id, limit=1, before=None)
        found = latest[0] if latest else None
    else:
        found = await sessions.get(call.scope, channel_id, req.stream_id)
    if found is None:
        which = "" if req.stream_id is UNSET else f"{req.stream_id} "
        raise ResourceNotFoundError(arn=f"stream session {which}of {req.channel_arn}")
    return GetStreamSessionResponse(stream_session=_shape(call, found))


@operation("ListStreamSessions", on=member("channel_arn"))
async def list_stream_sessions(
    call: Call, req: ListStreamSessionsRequest
) -> ListStreamSessionsResponse:
    """One page of a channel's sessions."""
    channel_id = _channel_id(call, req.channel_arn)
    list_id = call.list_id(channel_id)
    before = call.tokens.read(req.next_token, list_id)
    sessions = await call.store.sessions.page(
        call.scope, channel_id, limit=req.max_results + 1, before=before
    )
    if not sessions and before is None:
        await call.find(ChannelRecord, req.channel_arn)
    page, last = cut(sessions, req.max_results, lambda one: Position(one.created_at_ms, one.id))
    return ListStreamSessionsResponse(
        stream_sessions=[
            StreamSessionSummary(has_error_event=one.has_error_event, **_times(one)) for one in page
        ],
        next_token=call.tokens.write(last, list_id) if last else UNSET,
    )


def _channel_id(call: Call, arn: str) -> str:
    """The id of a channel of the caller's, which may be gone already."""
    parsed = parse_arn(arn)
    if parsed is None or Scope(parsed.account, parsed.region) != call.scope:
        raise ResourceNotFoundError(arn=arn)
    return parsed.id


def _times(session: StreamSessionRecord) -> dict[str, Any]:
    return {
        "stream_id": session.id,
        "start_time": time_of(session.live_at_ms or session.created_at_ms),
        "end_time": time_of(session.ended_at_ms) if session.ended_at_ms else UNSET,
    }


def _shape(call: Call, session: StreamSessionRecord) -> StreamSession:
    ingest = _ingest(session)
    return StreamSession(
        channel=_channel(call, session),
        ingest_configuration=_first_tracks(ingest),
        ingest_configurations=ingest,
        recording_configuration=_recording(session),
        failover_slate_configuration=_slate(session),
        truncated_events=[
            StreamEvent(
                name=event["name"],
                type=event["type"],
                event_time=time_of(event["time_ms"]),
                code=event["code"] or UNSET,
            )
            for event in session.events
        ],
        **_times(session),
    )


def _channel(call: Call, session: StreamSessionRecord) -> Channel:
    record = ChannelRecord(**session.channel, srt_passphrase=Secret(""))
    return replace(channel_shape(record, call.endpoints), srt=UNSET)


def _recording(session: StreamSessionRecord) -> RecordingConfiguration | UnsetType:
    fields = session.recording_configuration
    if not fields:
        return UNSET
    return recording_configuration_shape(RecordingConfigurationRecord(**fields))


def _slate(session: StreamSessionRecord) -> FailoverSlateConfiguration | UnsetType:
    fields = session.failover_slate_configuration
    if not fields:
        return UNSET
    return shaped(FailoverSlateConfiguration, FailoverSlateConfigurationRecord(**fields))


def _ingest(session: StreamSessionRecord) -> IngestConfigurations | UnsetType:
    return msgspec.convert(session.ingest, IngestConfigurations) if session.ingest else UNSET


def _first_tracks(ingest: IngestConfigurations | UnsetType) -> IngestConfiguration | UnsetType:
    """The deprecated form, which says profile and level under their H.264 names too."""
    if ingest is UNSET:
        return UNSET
    video = next(iter(ingest.video_configurations), None)
    return IngestConfiguration(
        video=replace(video, avc_profile=video.profile, avc_level=video.level) if video else UNSET,
        audio=next(iter(ingest.audio_configurations), UNSET),
    )
