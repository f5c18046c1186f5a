"""What the client raises: one class for each thing a caller may want to do about it.

    IvsError
    ├── ConfigurationError       the configuration, or the AWS files and variables, are wrong
    ├── CredentialsError         no credentials were found, or not whole ones
    ├── ArgumentError            an argument has the wrong type; nothing was sent
    ├── ConnectionFailedError    the endpoint could not be reached, or hung up
    │   └── TimedOutError        ... or took longer than `timeout`
    ├── AnswerError              the answer cannot be read: is the endpoint an IVS API?
    └── ApiError                 the service said no: code, message, status, request_id
        └── AccessDeniedError, ChannelNotBroadcastingError ...   one per modeled exception

An ApiError of a code that the model does not name (a wrong signature, say) is of class
ApiError itself.

Source: the errors of the IVS API reference; a test compares them with botocore's model.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from headwater.core.errors import HeadwaterError


class IvsError(HeadwaterError):
    """Base of everything that the client raises on purpose."""


class ConfigurationError(IvsError):
    """The configuration must change; the text says which name, and what is allowed."""


class CredentialsError(IvsError):
    """Nothing to sign with was found, or only a part of it."""


class ArgumentError(IvsError):
    """An argument does not fit the operation. Nothing was sent."""


class ConnectionFailedError(IvsError):
    """The endpoint could not be reached, is not trusted, or hung up."""


class TimedOutError(ConnectionFailedError):
    """Connecting, or the answer, took longer than the configuration's `timeout`."""


class AnswerError(IvsError):
    """The answer is none of an IVS API."""


class ApiError(IvsError):
    """The service refused, with its reason.

    `code` is the name on the wire, `message` the service's text, `status` the HTTP status,
    `request_id` what the service's log knows the call by ("" where it gave none).
    """

    code: str = ""

    def __init__(self, *, code: str, message: str, status: int, request_id: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class AccessDeniedError(ApiError):
    """The caller may not do this to that resource."""

    code = "AccessDeniedException"


class ChannelNotBroadcastingError(ApiError):
    """Nothing is live on the channel."""

    code = "ChannelNotBroadcasting"


class ConflictError(ApiError):
    """Something is in a state that does not allow this."""

    code = "ConflictException"


class InternalServerError(ApiError):
    """The service failed."""

    code = "InternalServerException"


class PendingVerificationError(ApiError):
    """The account may not do this before it is verified."""

    code = "PendingVerification"


class ResourceNotFoundError(ApiError):
    """There is no such resource in the caller's account and region."""

    code = "ResourceNotFoundException"


class ServiceQuotaExceededError(ApiError):
    """The account holds as many of these as it may."""

    code = "ServiceQuotaExceededException"


class ServiceUnavailableError(ApiError):
    """The service cannot answer now."""

    code = "ServiceUnavailable"


class StreamUnavailableError(ApiError):
    """The stream cannot be reached now."""

    code = "StreamUnavailable"


class ThrottlingError(ApiError):
    """Too many calls in too short a time."""

    code = "ThrottlingException"


class ValidationError(ApiError):
    """A value is not allowed; the message names the member."""

    code = "ValidationException"


BY_CODE = {error.code: error for error in ApiError.__subclasses__()}

_OURS: tuple[tuple[tuple[type[Exception], ...], type[IvsError]], ...] = (
    ((boto.ParamValidationError,), ArgumentError),
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.TokenRetrievalError,
            boto.SSOError,
        ),
        CredentialsError,
    ),
    ((boto.ConnectTimeoutError, boto.ReadTimeoutError), TimedOutError),
    ((boto.ConnectionError, boto.HTTPClientError), ConnectionFailedError),
    ((ResponseParserError,), AnswerError),
    # What is left comes from the configuration: region, profile, files, variables.
    ((boto.BotoCoreError, ValueError), ConfigurationError),
)


@contextmanager
def ours() -> Iterator[None]:
    """Raise botocore's errors as the client's own, botocore's as their cause."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error) from error
    except (boto.BotoCoreError, ResponseParserError, ValueError) as error:
        kind = next(kind for theirs, kind in _OURS if isinstance(error, theirs))
        raise kind(str(error)) from error


def _refusal(error: boto.ClientError) -> ApiError:
    said = error.response.get("Error", {})
    about = error.response.get("ResponseMetadata", {})
    code = said.get("Code", "")
    return BY_CODE.get(code, ApiError)(
        code=code,
        message=said.get("Message", ""),
        status=about.get("HTTPStatusCode", 0),
        request_id=about.get("RequestId", ""),
    )
