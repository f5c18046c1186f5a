"""Each exception of the model has its class, with the model's code and status."""

import inspect

import botocore.session
import pytest

from headwater.api import errors
from headwater.api.errors import ApiError, SignatureRefusedError
from headwater.auth import sigv4

MODEL = botocore.session.Session().get_service_model("ivs")
CLASSES = {
    error.code: error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, ApiError) and "code" in vars(error)
}


@pytest.mark.parametrize("model", MODEL.error_shapes, ids=lambda shape: shape.name)
def test_a_modeled_exception_has_its_code_and_status(model):
    assert CLASSES[model.error_code].status == model.metadata["error"]["httpStatusCode"]


def test_the_model_has_eleven_exceptions():
    assert len(MODEL.error_shapes) == 11


SAYS = [
    # known texts of AWS
    (errors.ChannelNotBroadcastingError(channel_arn="ARN"),
     "ChannelNotBroadcasting: Channel: ARN is not currently online"),
    (errors.ThrottlingError(operation="PutMetadata", rate=5, resource="ARN"),
     "Operation: ivs:PutMetadata exceeded call rate: 5 for resource: ARN"),
    (errors.AccessDeniedError(user_arn="USER", action="ivs:PutMetadata", resource="ARN"),
     "User: USER is not authorized to perform: ivs:PutMetadata on resource: ARN"),
    # ours
    (errors.ResourceNotFoundError(arn="ARN"), "Resource: ARN does not exist"),
    (errors.QuotaExceededError(kind="channels", limit=2), "The quota of 2 channels is used up"),
    (errors.PendingVerificationError(account="1"), "Account 1 is pending verification"),
    (errors.StreamUnavailableError(channel_arn="ARN"),
     "The stream of ARN cannot be reached now; try again"),
    (errors.ServiceUnavailableError(), "The service cannot answer now; try again"),
    (errors.RequestTooLargeError(limit_bytes=9), "A request's body may have 9 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "text"), SAYS, ids=lambda value: getattr(value, "code", ""))
def test_an_error_says(error, text):
    assert str(error) == text


def test_a_refused_signature_keeps_its_code_status_and_text():
    error = SignatureRefusedError(sigv4.MissingTokenError())

    assert (error.code, error.status) == ("MissingAuthenticationTokenException", 403)
    assert str(error) == "Missing Authentication Token"
