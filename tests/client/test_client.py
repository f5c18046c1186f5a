"""The client against a stand-in server, and against AWS's addresses without sending."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import headwater
from client.stand_in import KEYS
from headwater.client import (
    AnswerError,
    ApiError,
    ArgumentError,
    ConfigurationError,
    ConnectionFailedError,
    CredentialsError,
    IvsError,
    ResourceNotFoundError,
    TimedOutError,
    ivs,
)

ARN = "arn:aws:ivs:us-west-2:000000000000:channel/abcdefABCDEF"


def python(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_importing_headwater_imports_neither_the_client_nor_botocore():
    code = "import headwater, sys; assert not {'botocore', 'headwater.client'} & set(sys.modules)"

    assert python(code).stderr == ""


def test_without_botocore_the_error_says_what_to_install():
    done = python("import sys; sys.modules['botocore'] = None\nfrom headwater import ivs")

    assert "pip install 'headwater[client]'" in done.stderr


def test_the_package_has_nothing_else_by_that_way():
    assert headwater.ivs is ivs
    with pytest.raises(AttributeError, match="has no attribute 'ivss'"):
        headwater.ivss  # noqa: B018


def test_without_an_endpoint_it_talks_to_aws():
    with ivs(config={"region": "eu-west-1", **KEYS}) as svc:
        assert repr(svc) == "IvsClient(endpoint='https://ivs.eu-west-1.amazonaws.com')"


def test_without_a_region_the_error_says_so():
    with pytest.raises(ConfigurationError, match="region"):
        ivs(config={"endpoint": "http://127.0.0.1:1"})


def test_a_profile_gives_region_and_credentials(site, tmp_path):
    (tmp_path / "config").write_text("[profile stage]\nregion = ap-south-1\n")
    (tmp_path / "credentials").write_text(
        "[stage]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = x\n"
    )
    with ivs(config={"credentials": {"profile": "stage"}, "endpoint": site.url}) as svc:
        svc.list_channels()

    assert "Credential=AKIDPROFILE/" in site.headers[0]["Authorization"]
    assert "/ap-south-1/ivs/aws4_request" in site.headers[0]["Authorization"]


def test_an_unknown_profile_is_refused():
    with pytest.raises(ConfigurationError, match="nobody"):
        ivs(config={"profile": "nobody", "region": "us-west-2"})


def test_a_session_token_is_sent(site):
    with site.client(session_token="temporary") as svc:
        svc.list_channels()

    assert site.headers[0]["X-Amz-Security-Token"] == "temporary"


def test_anonymous_requests_are_not_signed(site):
    config = {"credentials": {"anonymous": True}, "endpoint": site.url, "region": "us-west-2"}
    with ivs(config=config) as svc:
        svc.list_channels()

    assert "Authorization" not in site.headers[0]


def test_without_credentials_nothing_is_sent(site):
    with (
        ivs(config={"endpoint": site.url, "region": "us-west-2"}) as svc,
        pytest.raises(CredentialsError, match="Unable to locate credentials"),
    ):
        svc.list_channels()
    assert site.headers == []


def test_half_credentials_are_refused():
    with pytest.raises(CredentialsError, match="secret"):
        ivs(config={"access_key_id": "AKID", "region": "us-west-2"})


def test_connections_are_kept(site):
    with site.client() as svc:
        svc.list_channels()
        svc.list_channels()

    assert len(set(site.peers)) == 1
    assert "Connection" not in site.headers[0]


@pytest.mark.parametrize("keeps", [False, True], ids=["the site closes", "the site does not"])
def test_close_connection_opens_one_for_each_request(site, keeps):
    site.keeps = keeps
    with site.client(close_connection=True) as svc:
        for _ in range(2):
            svc.list_channels()
            assert site.left.acquire(timeout=5)

    assert len(set(site.peers)) == 2
    assert [headers["Connection"] for headers in site.headers] == ["close", "close"]
    assert "connection" not in site.headers[0]["Authorization"]


def test_what_is_none_or_left_out_is_not_sent(site):
    site.answers = [(200, {"channel": {}, "streamKey": {}})]
    with site.client() as svc:
        svc.create_channel(name="", latency_mode=None, tags={})

    assert site.bodies == [{"name": "", "tags": {}}]


def test_lists_fetch_pages_as_large_as_may_be_and_only_as_they_are_used(site):
    site.answers = [
        (200, {"streamKeys": [{"arn": "a"}], "nextToken": "t1"}),
        (200, {"streamKeys": [{"arn": "b"}], "nextToken": "t2"}),
        (200, {"streamKeys": [{"arn": "c"}]}),
    ]
    with site.client() as svc:
        keys = svc.paginate.list_stream_keys(channel_arn=ARN)
        assert site.bodies == []
        assert next(keys) == {"arn": "a"}
        assert len(site.bodies) == 1
        assert [key["arn"] for key in keys] == ["b", "c"]

    asked = {"channelArn": ARN, "maxResults": 50}
    assert site.bodies == [asked, {**asked, "nextToken": "t1"}, {**asked, "nextToken": "t2"}]


def test_a_refusal_has_code_message_status_and_request_id(site):
    site.answers = [(404, {"__type": "ResourceNotFoundException", "message": "no such channel"})]
    with site.client() as svc, pytest.raises(ResourceNotFoundError) as refused:
        svc.get_channel(arn=ARN)

    error = refused.value
    assert (error.code, error.message) == ("ResourceNotFoundException", "no such channel")
    assert (error.status, error.request_id) == (404, "request-1")
    assert str(error) == "ResourceNotFoundException: no such channel"
    assert isinstance(error, ApiError)


def test_a_refusal_of_a_code_that_the_model_does_not_name_is_an_api_error(site):
    site.answers = [(403, {"__type": "InvalidSignatureException", "message": "no"})]
    with site.client() as svc, pytest.raises(ApiError) as refused:
        svc.list_channels()

    assert type(refused.value) is ApiError
    assert refused.value.code == "InvalidSignatureException"


def test_an_argument_of_a_wrong_type_is_not_sent(site):
    with site.client() as svc, pytest.raises(ArgumentError, match="arn"):
        svc.get_channel(arn=5)

    assert site.bodies == []


def test_an_answer_of_something_else_is_said_to_be_none(site):
    site.answers = [(200, b"<html>It works!</html>")]
    with site.client() as svc, pytest.raises(AnswerError, match="without channels"):
        svc.list_channels()


def test_nobody_listening_is_a_failed_connection():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with (
        ivs(config={"endpoint": url, "region": "us-west-2", **KEYS}) as svc,
        pytest.raises(ConnectionFailedError),
    ):
        svc.list_channels()


def test_an_answer_that_takes_longer_than_the_timeout_is_given_up(site):
    site.answers = [(200, None)]
    with site.client(timeout=0.2) as svc, pytest.raises(TimedOutError):
        svc.list_channels()


def test_every_error_is_an_ivs_error():
    assert all(
        issubclass(error, IvsError)
        for error in (ApiError, ArgumentError, ConfigurationError, CredentialsError, TimedOutError)
    )


def test_many_threads_share_one_client(site):
    with site.client() as svc, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: svc.list_channels(), range(40)))

    assert answers == [{"channels": []}] * 40


def test_two_clients_share_nothing(site):
    first, second = site.client(), site.client(access_key_id="AKIDSECOND")
    with first, second:
        first.list_channels()
        second.list_channels()

    assert "AKIDEXAMPLE" in site.headers[0]["Authorization"]
    assert "AKIDSECOND" in site.headers[1]["Authorization"]
