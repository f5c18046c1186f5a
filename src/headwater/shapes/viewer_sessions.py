"""Revocation of viewer sessions on the wire. Source: IVS API reference, its two operations."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from headwater.shapes.scalars import ChannelArn, ViewerId, ViewerSessionVersion
from headwater.shapes.wire import Shape


class StartViewerSessionRevocationRequest(Shape, frozen=True, kw_only=True):
    """Whose sessions on which channel, up to which version."""

    channel_arn: ChannelArn
    viewer_id: ViewerId
    viewer_session_versions_less_than_or_equal_to: ViewerSessionVersion = 0


class StartViewerSessionRevocationResponse(Shape, frozen=True, kw_only=True):
    """Revoked; there is nothing more to say."""


class BatchStartViewerSessionRevocationViewerSession(Shape, frozen=True, kw_only=True):
    """One of a batch."""

    channel_arn: ChannelArn
    viewer_id: ViewerId
    viewer_session_versions_less_than_or_equal_to: ViewerSessionVersion = 0


BatchStartViewerSessionRevocationViewerSessionList = Annotated[
    list[BatchStartViewerSessionRevocationViewerSession], Meta(min_length=1, max_length=20)
]


class BatchStartViewerSessionRevocationRequest(Shape, frozen=True, kw_only=True):
    """Whose sessions."""

    viewer_sessions: BatchStartViewerSessionRevocationViewerSessionList


class BatchStartViewerSessionRevocationError(Shape, frozen=True, kw_only=True):
    """One whose sessions go on, and why."""

    channel_arn: ChannelArn
    viewer_id: ViewerId
    code: str  # an HTTP status as text, e.g. "403"
    message: str


class BatchStartViewerSessionRevocationResponse(Shape, frozen=True, kw_only=True):
    """Those that were not revoked."""

    errors: list[BatchStartViewerSessionRevocationError] | UnsetType = UNSET
