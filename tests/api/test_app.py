"""The chain, seen by a botocore client and by raw requests."""

import json
import re
from datetime import UTC, datetime

import botocore.session
import msgspec
import pytest
import structlog
from botocore.exceptions import ClientError

from api.conftest import SETTINGS
from headwater.api.app import Api
from headwater.api.headers import MODELED
from headwater.api.operations import OPERATIONS
from headwater.api.quotas import Quotas
from headwater.core.http import Request
from headwater.node.monitoring.charts import Charts

MODEL = botocore.session.Session().get_service_model("ivs")
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def request(method="POST", path="/ListChannels", headers=(), body=b"{}"):
    return Request(method=method, path=path, query="", headers=[("host", "h"), *headers], body=body)


def error_of(response):
    return json.loads(response.body)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_has_the_models_route_and_status(operation):
    http = MODEL.operation_model(operation.name).http

    path = operation.route.path + ("{resourceArn}" if operation.route.path_member else "")
    assert (operation.route.method, path) == (http["method"], http["requestUri"])
    assert operation.status == http["responseCode"]


def test_an_operation_stands_in_the_table_once():
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


def test_every_answer_has_the_common_headers_and_a_request_id(service, ivs):
    ids = set()
    ivs.list_channels()
    service.respond(request())
    service.respond(request(method="OPTIONS"))
    for response in service.responses:
        headers = dict(response.headers)
        assert dict(MODELED).items() <= headers.items()
        assert re.fullmatch(UUID4, headers["x-amzn-RequestId"])
        ids.add(headers["x-amzn-RequestId"])

    assert len(ids) == 3


def test_botocore_finds_the_request_id_and_the_modeled_headers(ivs):
    answer = ivs.batch_get_channel(arns=["arn:aws:ivs:eu-west-1:1:channel/a"])

    assert re.fullmatch(UUID4, answer["ResponseMetadata"]["RequestId"])
    assert answer["accessControlAllowOrigin"] == "*"
    assert answer["xFrameOptions"] == "DENY"


def test_an_error_is_told_to_every_kind_of_client(service, ivs):
    with pytest.raises(ivs.exceptions.ValidationException) as caught:
        ivs.get_channel(arn="nope")

    response = caught.value.response
    text = response["Error"]["Message"]
    assert text.startswith("GetChannel.arn must be a string")
    assert response["exceptionMessage"] == text
    assert response["xAmznErrorType"] == "ValidationException"
    assert error_of(service.responses[-1]) == {
        "__type": "ValidationException", "message": text, "exceptionMessage": text,
    }  # fmt: skip


def test_preflight_needs_no_signature_and_allows_what_sdks_send(service):
    response = service.respond(request(method="OPTIONS", path="/CreateChannel"))

    headers = dict(response.headers)
    assert (response.status, response.body) == (204, b"")
    assert "authorization" in headers["Access-Control-Allow-Headers"]
    assert "POST" in headers["Access-Control-Allow-Methods"]


UNSIGNED = [
    ("known",          "POST",   "/ListChannels"),
    ("unknown",        "POST",   "/Nothing"),
    ("wrong method",   "GET",    "/ListChannels"),
    ("wrong case",     "POST",   "/listchannels"),
    ("root",           "GET",    "/"),
    ("tags",           "DELETE", "/tags/x"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"), [row[1:] for row in UNSIGNED], ids=[row[0] for row in UNSIGNED]
)
def test_an_unsigned_request_is_refused_alike_on_any_path(service, method, path):
    response = service.respond(request(method=method, path=path))

    assert response.status == 403
    assert dict(response.headers)["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert error_of(response)["message"] == "Missing Authentication Token"


def test_a_signed_request_of_no_operation_is_told_so(service):
    for method, path in [("POST", "/Nothing"), ("GET", "/ListChannels"), ("PUT", "/tags/x")]:
        response = service.send(method, path)

        assert response.status == 404
        assert error_of(response)["__type"] == "UnknownOperationException"


CLIENTS = [
    ("unknown key", {"access_key": "AKIANOBODY"}, "UnrecognizedClientException"),
    ("wrong secret", {"secret": "wrong"}, "InvalidSignatureException"),
    ("session token", {"token": "token"}, "UnrecognizedClientException"),
]


@pytest.mark.parametrize(
    ("options", "code"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS]
)
def test_refuses_who_it_does_not_know(service, options, code):
    with pytest.raises(ClientError) as caught:
        service.client(**options).list_channels()

    assert caught.value.response["Error"]["Code"] == code
    assert service.responses[-1].status == 403


def test_refuses_a_body_beyond_the_limit_before_anything_else(service):
    response = service.respond(request(body=b" " * 262_145))

    assert response.status == 413
    assert error_of(response)["__type"] == "RequestEntityTooLargeException"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-amz-json-1.1", "x"])
def test_reads_json_whatever_the_content_type_says(service, ivs, content_type):
    ivs.meta.events.register("before-sign.ivs", lambda request, **_: set_type(request))

    def set_type(request):
        del request.headers["Content-Type"]
        if content_type:
            request.headers["Content-Type"] = content_type

    ivs.create_channel(name="a")

    assert dict(service.requests[-1].headers).get("content-type") == content_type
    assert ivs.list_channels()["channels"][0]["name"] == "a"


def test_accepts_an_empty_body_as_an_empty_object(service, ivs):
    ivs.meta.events.register("before-sign.ivs", lambda request, **_: setattr(request, "data", b""))

    assert ivs.list_channels()["channels"] == []
    assert service.requests[-1].body == b""


def test_regions_and_accounts_are_apart(service, ivs):
    arn = ivs.create_channel()["channel"]["arn"]

    for other in (
        service.client(region="us-east-1"),
        service.client(access_key="AKHWOTHERKEY0002"),
    ):
        assert other.list_channels()["channels"] == []
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            other.get_channel(arn=arn)
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            other.delete_channel(arn=arn)
        assert [error["arn"] for error in other.batch_get_channel(arns=[arn])["errors"]] == [arn]


class BrokenStore:
    """A store whose transactions fail in a way that nobody foresaw."""

    def read(self):
        raise RuntimeError("sk_secret")

    write = read


def test_a_bug_is_a_500_without_details_and_one_log_line_with_them(service, ivs):
    ivs.list_channels()
    signed = service.requests[-1]
    broken = Api(
        store=BrokenStore(),
        control=service.live,
        destinations=service.destinations,
        metrics=Charts(service.series),
        settings=service.api._settings,
        random_bytes=bytes,
        now_ms=service.api._now_ms,
        token_secret=b"",
    )

    with structlog.testing.capture_logs() as logs:
        response = service.runner.run(broken.respond(signed))

    assert response.status == 500
    assert error_of(response)["__type"] == "InternalServerException"
    assert b"sk_secret" not in response.body
    (line,) = logs
    assert line["log_level"] == "error"
    assert isinstance(line["exc_info"], RuntimeError)


def test_a_request_is_one_log_line_without_secrets(service, ivs):
    with structlog.testing.capture_logs() as logs:
        created = ivs.create_channel(name="named")
        with pytest.raises(ClientError):
            ivs.get_channel(arn="nope")
        service.respond(request())

    first, second, third = logs
    assert first.pop("duration_ms") >= 0
    assert first == {
        "event": "api request", "log_level": "info", "operation": "CreateChannel", "status": 200,
        "access_key_id": "AKHWROOTKEY00001", "region": "eu-west-1", "client": "192.0.2.1",
        "request_id": created["ResponseMetadata"]["RequestId"],
    }  # fmt: skip
    assert (second["status"], second["error"]) == (400, "ValidationException")
    assert (third["status"], third["error"]) == (403, "MissingAuthenticationTokenException")
    for secret in (created["streamKey"]["value"], created["channel"]["srt"]["passphrase"]):
        assert secret not in str(logs)
    assert "root-secret" not in str(logs)


def test_a_time_in_the_past_is_refused_with_both_times(service, ivs):
    ivs.list_channels()
    old = service.requests[-1]
    late = Api(
        store=service.store,
        control=service.live,
        destinations=service.destinations,
        metrics=Charts(service.series),
        settings=service.api._settings,
        random_bytes=bytes,
        now_ms=lambda: int(datetime.now(UTC).timestamp() * 1000) + 600_000,
        token_secret=b"",
    )

    response = service.runner.run(late.respond(old))

    assert response.status == 403
    assert error_of(response)["message"].startswith("Signature expired: ")


def test_more_calls_in_a_second_than_the_rate_allows_are_throttled(service, ivs):
    service.api._settings = msgspec.structs.replace(
        SETTINGS, quotas=Quotas(calls_per_s={"ListChannels": 2})
    )
    for _ in range(2):
        ivs.list_channels()
    with pytest.raises(ClientError) as refusal:
        ivs.list_channels()

    assert refusal.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Operation: ivs:ListChannels exceeded call rate: 2 for resource: 123456789012",
    }
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    ivs.list_streams()  # has a rate of its own


def test_a_database_that_cannot_be_used_is_503_and_the_log_says_why(ivs, tmp_path):
    ivs.list_channels()
    (tmp_path / "test.sqlite3").write_bytes(b"no database " * 1000)
    for name in ("test.sqlite3-wal", "test.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    with structlog.testing.capture_logs() as lines:
        refusals = [refusal_of(ivs.create_channel) for _ in range(3)]

    # What is in memory may still answer the first.
    assert refusals[-1]["Error"]["Code"] == "ServiceUnavailable"
    assert refusals[-1]["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "database" in lines[-1]["cause"]
    assert lines[-1]["log_level"] == "error"


def refusal_of(call):
    try:
        call()
    except ClientError as refusal:
        return refusal.response
    return None
