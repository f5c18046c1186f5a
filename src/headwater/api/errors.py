"""Errors as answers: one class for each exception of the model, and the gateway's.

Source: IVS API reference, "Errors" of each operation and "Common Error Types"; the
codes and statuses are compared with botocore's model. Where AWS's text for a case is
known it is used; the others are ours.

    ApiError
    ├── AccessDeniedError, ChannelNotBroadcastingError, ConflictError ...   (modeled)
    ├── RequestTooLargeError, RequestTimeoutError, UnknownOperationError    (the gateway's)
    └── SignatureRefusedError                    what auth refused, with its code
"""

from http import HTTPStatus

from msgspec import json

from headwater.auth.errors import SignatureError
from headwater.core.errors import HeadwaterError
from headwater.core.http import Response


class ApiError(HeadwaterError):
    """An answer, not a failure of ours.

    `code` is the wire name, sent as `x-amzn-ErrorType` and `__type`. The text is for
    the caller, so without secrets.
    """

    code: str
    status: HTTPStatus


class AccessDeniedError(ApiError):
    """The principal may not do this to that resource."""

    code = "AccessDeniedException"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, *, user_arn: str, action: str, resource: str) -> None:
        super().__init__(
            f"User: {user_arn} is not authorized to perform: {action} on resource: {resource}"
        )


class ChannelNotBroadcastingError(ApiError):
    """Nothing is live on the channel."""

    code = "ChannelNotBroadcasting"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, *, channel_arn: str) -> None:
        super().__init__(f"ChannelNotBroadcasting: Channel: {channel_arn} is not currently online")


class ConflictError(ApiError):
    """The request does not fit the state that something is in."""

    code = "ConflictException"
    status = HTTPStatus.CONFLICT


class InternalServerError(ApiError):
    """A bug of ours; the log has the rest, under the request's id."""

    code = "InternalServerException"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("The server failed; its log tells more under this request's id")


class PendingVerificationError(ApiError):
    """The account may not do this before it is verified."""

    code = "PendingVerification"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, *, account: str) -> None:
        super().__init__(f"Account {account} is pending verification")


class ResourceNotFoundError(ApiError):
    """There is no such resource in the caller's account and region."""

    code = "ResourceNotFoundException"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, *, arn: str) -> None:
        super().__init__(f"Resource: {arn} does not exist")
        self.arn = arn


class QuotaExceededError(ApiError):
    """The account holds as many of these as it may. AWS answers 402 here."""

    code = "ServiceQuotaExceededException"
    status = HTTPStatus.PAYMENT_REQUIRED

    def __init__(self, *, kind: str, limit: int) -> None:
        super().__init__(f"The quota of {limit} {kind} is used up")
        self.kind = kind
        self.limit = limit


class ServiceUnavailableError(ApiError):
    """The database cannot be used now; the log says why, under the request's id."""

    code = "ServiceUnavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The service cannot answer now; try again")


class StreamUnavailableError(ApiError):
    """The stream cannot be reached now."""

    code = "StreamUnavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, *, channel_arn: str) -> None:
        super().__init__(f"The stream of {channel_arn} cannot be reached now; try again")


class ThrottlingError(ApiError):
    """Too many calls a second."""

    code = "ThrottlingException"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, *, operation: str, rate: int, resource: str) -> None:
        super().__init__(
            f"Operation: ivs:{operation} exceeded call rate: {rate} for resource: {resource}"
        )


class ValidationError(ApiError):
    """The input is wrong; the text names the member and says what is allowed."""

    code = "ValidationException"
    status = HTTPStatus.BAD_REQUEST


class RequestTooLargeError(ApiError):
    """The body is longer than any request of this API."""

    code = "RequestEntityTooLargeException"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"A request's body may have {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class RequestTimeoutError(ApiError):
    """The body did not come in time."""

    code = "RequestTimeoutException"
    status = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, *, limit_s: float) -> None:
        super().__init__(f"A request's body has to be complete within {limit_s:g} seconds")


class UnknownOperationError(ApiError):
    """No operation has this method and path."""

    code = "UnknownOperationException"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("No operation of this service has this method and path")


class SignatureRefusedError(ApiError):
    """What the SigV4 verification refused, with its own code."""

    def __init__(self, refusal: SignatureError) -> None:
        super().__init__(str(refusal))
        self.code = refusal.code
        self.status = HTTPStatus(refusal.status)


def error_response(error: ApiError) -> Response:
    """The code in header and body, the text twice: each SDK reads another one of them."""
    text = str(error)
    body = json.encode({"__type": error.code, "message": text, "exceptionMessage": text})
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    return Response(status=error.status.value, headers=headers, body=body)
