"""Who answers which path: delivery, recordings, metrics, the watch page, else the REST API."""

from typing import Protocol

from headwater.api.app import Api
from headwater.core.http import Request, Response
from headwater.delivery.address import ChannelAddress, playback_path
from headwater.delivery.http import Delivery
from headwater.node.monitoring.metrics import Metrics
from headwater.node.recording.archive_site import ArchiveSite
from headwater.store import Store


class Pages(Protocol):
    """The web pages, which know nothing of the server but what is passed in."""

    def watch_channel_id(self, path: str) -> str | None:
        """The channel id of a watch page's path."""

    def respond(
        self, request: Request, playback_path: str | None, recordings_path: str = ""
    ) -> Response | None:
        """A page or static file; None when the path is not one of theirs."""


class Routes:
    """Answers every request of the HTTP ports."""

    def __init__(
        self,
        *,
        api: Api,
        delivery: Delivery,
        archive: ArchiveSite,
        metrics: Metrics,
        pages: Pages,
        store: Store,
    ) -> None:
        self._api = api
        self._delivery = delivery
        self._archive = archive
        self._metrics = metrics
        self._pages = pages
        self._store = store

    async def respond(self, request: Request) -> Response:
        """One answer; the order is the order of how often each is asked."""
        if self._api.has_operation(request):
            return await self._api.respond(request)
        delivered = await self._delivery.respond(request)
        if delivered is not None:
            return delivered
        recorded = await self._archive.respond(request)
        if recorded is not None:
            return recorded
        figures = self._metrics.respond(request)
        if figures is not None:
            return figures
        page = self._pages.respond(request, *await self._paths(request))
        if page is not None:
            return page
        return await self._api.respond(request)

    async def _paths(self, request: Request) -> tuple[str | None, str]:
        """For a watch page: where the channel is played, and where its recordings are."""
        channel_id = self._pages.watch_channel_id(request.path)
        if channel_id is None:
            return None, ""
        async with self._store.read() as work:
            channel = await work.channel_by_id(channel_id)
        if channel is None:
            return None, ""
        address = ChannelAddress(channel.region, channel.account, channel.id)
        return playback_path(address), self._archive.path_of(channel)
