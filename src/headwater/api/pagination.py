"""Page tokens: where a list goes on, signed so that nobody can make one up.

A token is base64url of a MAC and a position (`<ms>/<id>`). The MAC also covers the
operation, the account, the region and the filters, so a token works only for the list
that it came from. It holds a position and no page number: what is created or deleted
between two pages neither repeats nor hides anything else. Tokens do not expire.

The IVS API reference says nothing of a bad token; here it is a ValidationException.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TypeVar

from headwater.api.errors import ValidationError
from headwater.store.records import Position

_MAC_BYTES = 16  # 128 bits: nobody guesses one, and tokens stay short
_POSITION = re.compile(rb"([0-9]{1,16})/([a-zA-Z0-9-]{1,64})")

ItemT = TypeVar("ItemT")
ListId = tuple[str, ...]
"""Operation, account, region, then what else the list depends on."""


class PageTokens:
    """Makes and reads tokens. `secret` stays the same as long as tokens should be good."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def read(self, token: str, list_id: ListId) -> Position | None:
        """Where the next page of that list begins; None for "", which is the first page.

        Raises:
            ValidationError: the token is not one of this list.
        """
        if not token:
            return None
        try:
            raw = urlsafe_b64decode(token)
        except ValueError:
            raw = b""
        if urlsafe_b64encode(raw).decode() != token:  # the reader overlooks stray characters
            raw = b""
        mac, text = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        match = _POSITION.fullmatch(text)
        if match is None or not compare_digest(mac, self._mac(text, list_id)):
            raise ValidationError(
                f"{list_id[0]}.nextToken must be the nextToken of an answer to the same "
                "request: same operation, account, region and filters"
            )
        return Position(created_at_ms=int(match[1]), id=match[2].decode())

    def write(self, position: Position, list_id: ListId) -> str:
        """The token of the page behind `position`."""
        text = f"{position.created_at_ms}/{position.id}".encode()
        return urlsafe_b64encode(self._mac(text, list_id) + text).decode()

    def _mac(self, text: bytes, list_id: ListId) -> bytes:
        # Each part's length goes first, so that no two lists share one text.
        parts = (*map(str.encode, list_id), text)
        covered = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac_digest(self._secret, covered, "sha256")[:_MAC_BYTES]


def cut(
    items: Sequence[ItemT], limit: int, position: Callable[[ItemT], Position]
) -> tuple[list[ItemT], Position | None]:
    """One page of `items`, which were asked for with one more than `limit`.

    Returns:
        At most `limit` items, and the position behind them if more follow.
    """
    page = list(items[:limit])
    return page, position(page[-1]) if len(items) > limit else None
