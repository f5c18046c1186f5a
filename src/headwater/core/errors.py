"""Errors, split by who can fix them.

    HeadwaterError
    ├── PeerError          a stranger sent something wrong: close, tell them, go on
    │   ├── LimitError     ... or more than a named bound allows
    │   └── MediaError     ... or media of a kind that is not taken
    ├── OperatorError      a setting, file or port is wrong: say which, and what is allowed
    └── (api.errors.ApiError: an answer of the REST API)

Anything else that escapes is a bug of ours.
"""


class HeadwaterError(Exception):
    """Base of every error that Headwater raises on purpose."""


class PeerError(HeadwaterError):
    """What a peer sent cannot be accepted. The text may be shown to the peer."""


class LimitError(PeerError):
    """A peer went beyond a named bound (size, count, depth or time)."""


class MediaError(PeerError):
    """An encoder sent media of a kind that is not taken."""

    def __init__(self, text: str, *, is_multitrack: bool = False) -> None:
        """`is_multitrack`: it is several tracks that are not taken, whatever is in them."""
        super().__init__(text)
        self.is_multitrack = is_multitrack


class OperatorError(HeadwaterError):
    """The person who runs the server must change something; the text says what."""
