"""Revocation of viewer sessions, one or up to 20 at once.

Source: IVS API reference. Of a viewer on a channel the highest version that was ever
revoked counts: asking for a lower one later changes nothing. Nobody has to be watching.
"""

from http import HTTPStatus

from msgspec import UNSET

from headwater.api.errors import ResourceNotFoundError, ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import member, members
from headwater.shapes.viewer_sessions import (
    BatchStartViewerSessionRevocationError,
    BatchStartViewerSessionRevocationRequest,
    BatchStartViewerSessionRevocationResponse,
    BatchStartViewerSessionRevocationViewerSession,
    StartViewerSessionRevocationRequest,
    StartViewerSessionRevocationResponse,
)
from headwater.store.records import ChannelRecord, ViewerSessionRevocation

MAX_VERSION = 2**31 - 1
"""The API's integers have 32 bits."""


@operation("StartViewerSessionRevocation", on=member("channel_arn"), writes=True)
async def start_viewer_session_revocation(
    call: Call, req: StartViewerSessionRevocationRequest
) -> StartViewerSessionRevocationResponse:
    """Revoke one viewer's sessions on a channel, up to a version."""
    _check_version(call.operation, req.viewer_session_versions_less_than_or_equal_to)
    channel = await call.find(ChannelRecord, req.channel_arn)
    await _revoke(call, channel, req.viewer_id, req.viewer_session_versions_less_than_or_equal_to)
    return StartViewerSessionRevocationResponse()


@operation(
    "BatchStartViewerSessionRevocation",
    on=members("viewer_sessions", "channel_arn"),
    writes=True,
)
async def batch_start_viewer_session_revocation(
    call: Call, req: BatchStartViewerSessionRevocationRequest
) -> BatchStartViewerSessionRevocationResponse:
    """Revoke up to 20; those that cannot be are errors in a 200, each pair once."""
    for index, session in enumerate(req.viewer_sessions):
        _check_version(
            f"{call.operation}.viewerSessions[{index}]",
            session.viewer_session_versions_less_than_or_equal_to,
        )
    arns = list(dict.fromkeys(session.channel_arn for session in req.viewer_sessions))
    allowed = await call.allowed(arns)
    channels = {each.arn: each for each in await call.find_all(ChannelRecord, allowed)}
    errors: dict[tuple[str, str], BatchStartViewerSessionRevocationError] = {}
    for session in req.viewer_sessions:
        channel = channels.get(session.channel_arn)
        if channel is None:
            may = session.channel_arn in allowed
            errors[session.channel_arn, session.viewer_id] = _error(session, may=may)
        else:
            version = session.viewer_session_versions_less_than_or_equal_to
            await _revoke(call, channel, session.viewer_id, version)
    return BatchStartViewerSessionRevocationResponse(errors=list(errors.values()) or UNSET)


def _check_version(name: str, version: int) -> None:
    if version > MAX_VERSION:
        raise ValidationError(
            f"{name}.viewerSessionVersionsLessThanOrEqualTo must be an integer from 0 to "
            f"{MAX_VERSION}"
        )


async def _revoke(call: Call, channel: ChannelRecord, viewer_id: str, version: int) -> None:
    before = await call.store.revocation(channel.id, viewer_id)
    if before is not None and before.versions_up_to >= version:
        return
    await call.store.put_revocation(
        ViewerSessionRevocation(
            channel_id=channel.id,
            viewer_id=viewer_id,
            versions_up_to=version,
            revoked_at_ms=call.now_ms,
        )
    )


def _error(
    session: BatchStartViewerSessionRevocationViewerSession, *, may: bool
) -> BatchStartViewerSessionRevocationError:
    """Why not. Who may not do it is not told whether the channel exists."""
    status, text = HTTPStatus.FORBIDDEN, "not authorized"
    if may:
        missing = ResourceNotFoundError(arn=session.channel_arn)
        status, text = missing.status, str(missing)
    return BatchStartViewerSessionRevocationError(
        channel_arn=session.channel_arn,
        viewer_id=session.viewer_id,
        code=str(status.value),
        message=text,
    )
