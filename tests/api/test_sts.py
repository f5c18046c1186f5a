"""STS on the API's port, asked by botocore's own client."""

import re
from xml.etree import ElementTree as ET

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from api.people import ACCOUNT, add_key, add_temporary_key, add_user
from headwater.api import sts
from headwater.core.http import Request


def sts_client(service, key=None, token=None, region="eu-west-1"):
    session = botocore.session.Session()
    session.set_credentials(
        key.id if key else "AKHWROOTKEY00001",
        key.secret.reveal() if key else "root-secret",
        token.reveal() if token else None,
    )
    client = session.create_client(
        "sts",
        region_name=region,
        endpoint_url="http://127.0.0.1:8080",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    client.meta.events.register("before-send.sts", service._send)
    return client


def identity(client):
    answer = client.get_caller_identity()
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["ResponseMetadata"]["RequestId"])
    return answer["Account"], answer["Arn"], answer["UserId"]


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def ana(service):
    return service.runner.run(add_user(service.store, "ana"))


def test_the_root_is_told_who_it_is(service):
    root = (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)

    assert identity(sts_client(service)) == root
    assert identity(sts_client(service, region="us-east-1")) == root


def test_a_user_needs_no_permission_for_it(service, ana):
    expected = (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ana", ana.id)
    key = service.runner.run(add_key(service.store, ana.id))
    temporary = service.runner.run(add_temporary_key(service.store, ana.id))

    assert identity(sts_client(service, key)) == expected
    assert identity(sts_client(service, *temporary)) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_can_be_asked_presigned(service, method):
    client = sts_client(service)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod=method)
    query = url.partition("?")[2]
    response = service.respond(
        Request(method=method, path="/", query=query, headers=[("host", "127.0.0.1:8080")])
    )

    assert response.status == 200
    tree = ET.fromstring(response.body)  # noqa: S314 - our own answer
    namespace = {"s": "https://sts.amazonaws.com/doc/2011-06-15/"}
    assert tree.find("s:GetCallerIdentityResult/s:Account", namespace).text == ACCOUNT


REFUSED = [
    # id, what is wrong, code, status
    ("unknown key",    {"access_key": "AKIANOBODY"}, ("InvalidClientTokenId", 403)),
    ("wrong secret",   {"secret": "wrong"},          ("SignatureDoesNotMatch", 403)),
    ("wrong token",    {"token": "token"},           ("InvalidClientTokenId", 403)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "answer"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses_in_stss_own_form(service, wrong, answer):
    client = sts_client(service)
    given = {"access_key": "AKHWROOTKEY00001", "secret": "root-secret", "token": None} | wrong
    session = botocore.session.Session()
    session.set_credentials(given["access_key"], given["secret"], given["token"])
    client._request_signer._credentials = session.get_credentials()

    assert code(client.get_caller_identity) == answer


def test_an_expired_token_is_told_so(service):
    temporary = service.runner.run(add_temporary_key(service.store, now_ms=1000, lasts_ms=1))

    assert code(sts_client(service, *temporary).get_caller_identity) == ("ExpiredToken", 403)


def post(service, body, headers=()):
    return service.respond(
        Request(method="POST", path="/", query="", headers=[("host", "h"), *headers], body=body)
    )


def test_an_unsigned_request_is_refused_in_xml(service):
    response = post(service, b"Action=GetCallerIdentity&Version=2011-06-15")

    assert (response.status, dict(response.headers)["Content-Type"]) == (403, "text/xml")
    assert b"<Code>MissingAuthenticationToken</Code>" in response.body


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 100, b"&" * 1000, b"a=1&" * 1000])
def test_what_is_no_action_is_no_matter_of_sts(service, body):
    response = post(service, body)

    assert dict(response.headers)["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_an_action_that_is_not_there_is_refused(service):
    client = sts_client(service)

    assert code(
        client.assume_role, RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="ab"
    ) == ("InvalidAction", 400)


def test_what_is_repeated_in_an_error_is_xml(service):
    client = sts_client(service)
    client.meta.events.register(
        "before-sign.sts",
        lambda request, **_: request.data.update({"Action": "<&\x00>" + "x" * 500}),
    )

    with pytest.raises(ClientError) as caught:
        client.get_caller_identity()
    text = caught.value.response["Error"]["Message"]
    assert text.startswith("Could not find operation <&>xxx")
    assert len(text) < 200


def test_ivs_signatures_are_none_of_sts(service, ivs):
    ivs.list_channels()
    signed = service.requests[-1]
    again = Request(
        method="POST",
        path="/",
        query="",
        headers=signed.headers,
        body=b"Action=GetCallerIdentity&Version=2011-06-15",
    )

    assert b"<Code>SignatureDoesNotMatch</Code>" in service.respond(again).body


def test_a_session_token_makes_a_client_of_its_own(service, ana):
    key = service.runner.run(add_key(service.store, ana.id))
    credentials = sts_client(service, key).get_session_token(DurationSeconds=900)["Credentials"]

    lasts = credentials["Expiration"].timestamp() * 1000 - service.api._now_ms()
    assert 890_000 < lasts <= 900_000
    client = service.client(
        access_key=credentials["AccessKeyId"],
        secret=credentials["SecretAccessKey"],
        token=credentials["SessionToken"],
    )
    with pytest.raises(client.exceptions.AccessDeniedException, match="user/ana is not authorized"):
        client.list_channels()


def test_the_roots_session_lasts_an_hour_at_most(service):
    credentials = sts_client(service).get_session_token(DurationSeconds=43_200)["Credentials"]

    lasts = credentials["Expiration"].timestamp() * 1000 - service.api._now_ms()
    assert lasts <= 3_600_000


def test_a_session_makes_no_session(service):
    temporary = service.runner.run(add_temporary_key(service.store))

    assert code(sts_client(service, *temporary).get_session_token) == ("AccessDenied", 403)


@pytest.mark.parametrize("seconds", [899, 129_601, 10**9])
def test_a_session_lasts_15_minutes_to_36_hours(service, seconds):
    client = sts_client(service)

    assert code(client.get_session_token, DurationSeconds=seconds) == ("ValidationError", 400)


def test_sessions_are_bounded_and_old_ones_make_room(service, ana, monkeypatch):
    monkeypatch.setattr(sts, "MAX_TEMPORARY_KEYS", 2)
    run = service.runner.run
    client = sts_client(service, run(add_key(service.store, ana.id)))
    run(add_temporary_key(service.store, ana.id, now_ms=1000, lasts_ms=1))
    client.get_session_token()
    client.get_session_token()

    assert code(client.get_session_token) == ("Throttling", 400)
    assert sts_client(service).get_session_token()  # another's sessions are counted apart


def test_a_log_line_says_who_asked_and_no_secret(service, ana, capsys):
    key = service.runner.run(add_key(service.store, ana.id))
    credentials = sts_client(service, key).get_session_token()["Credentials"]
    said = capsys.readouterr().out

    assert key.id in said
    assert "operation=GetSessionToken" in said
    for secret in (
        key.secret.reveal(),
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
    ):
        assert secret not in said
