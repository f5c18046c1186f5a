"""Who may watch: what delivery asks, and what it is told; the answers are others' work.

A viewer is asked about in full when it fetches a multivariant playlist, which begins its
session, and in passing at each request after that, so that a refusal that comes later ends
a session that is being watched.

Source: IVS's private channels, playback restriction policies and viewer session revocation.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct

from headwater.core.http import Request
from headwater.delivery.address import ChannelAddress


class Grant(Struct, frozen=True, kw_only=True):
    """What a viewer was let in with; kept with its session while the stream runs."""

    viewer_id: str = ""  # "": it cannot be revoked
    version: int = 0  # of the viewer's session
    origins: tuple[str, ...] = ()  # allowed; only filled when enforced on every request
    countries: tuple[str, ...] = ()  # allowed; likewise
    max_edge: int | None = None  # shorter edge of the largest picture: 480, 720 or 1080
    allow_origin: str = "*"  # for Access-Control-Allow-Origin


class Denied(Struct, frozen=True, kw_only=True):
    """Why a viewer is not let in, or not any more."""

    status: HTTPStatus
    code: str  # for programs
    text: str  # for people


class Admission(Protocol):
    """Decides who may watch a channel."""

    async def admit(
        self, request: Request, channel: ChannelAddress, *, closed: Callable[[], Denied | None]
    ) -> Grant | Denied:
        """Decide about a request for the multivariant playlist of a live channel.

        Args:
            request: the viewer's.
            channel: that it would watch.
            closed: why nobody is let in now, whoever asks. It is asked last, and before what
                can be used once is used up.
        """

    def denies(self, request: Request, channel: ChannelAddress, grant: Grant) -> Denied | None:
        """Why a later request of an admitted viewer is refused; None: it is not.

        Asked at every request for a playlist or media, and again when one has waited: it must
        be cheap. `grant` is what `admit` gave.
        """
