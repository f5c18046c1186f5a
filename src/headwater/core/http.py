"""HTTP as values: what the server hands to a responder, and what it gets back."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from msgspec import Struct, field

Headers = Sequence[tuple[str, str]]


class Request(Struct, frozen=True, kw_only=True):
    """One request, its body read whole.

    Header names are lower case. `path` is percent-decoded; `query` is as sent.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes = b""
    client_address: str = ""
    scheme: str = "http"
    disconnected: Callable[[], Awaitable[None]] | None = None  # returns when the client left

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Response(Struct, kw_only=True):
    """One answer. `body` is shared between answers, never copied.

    With `chunks` the body is what they yield, sent as it comes; they end when the client
    has left, as `Request.disconnected` tells, and hold nothing before they are asked for.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    chunks: AsyncGenerator[bytes, None] | None = None
