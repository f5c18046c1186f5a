"""Why a request is not accepted as signed; each has the code that AWS answers with."""

from typing import ClassVar

from headwater.core.errors import PeerError


class SignatureError(PeerError):
    """The request is not accepted as signed. All of them are answered with 403."""

    code: ClassVar[str]
    status: ClassVar[int] = 403


class MissingTokenError(SignatureError):
    """The request carries no signature."""

    code = "MissingAuthenticationTokenException"

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token")


class IncompleteSignatureError(SignatureError):
    """What the request carries cannot be read as a signature."""

    code = "IncompleteSignatureException"


class InvalidSignatureError(SignatureError):
    """The signature can be read and does not hold: scope, time or digest."""

    code = "InvalidSignatureException"


class UnrecognizedClientError(SignatureError):
    """Nobody has that access key, or the session token is not the key's."""

    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredTokenError(SignatureError):
    """The temporary credentials are over."""

    code = "ExpiredTokenException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")
