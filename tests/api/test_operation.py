from http import HTTPStatus

import pytest

from headwater.api.endpoints import endpoints
from headwater.api.operation import Call, operation
from headwater.api.pagination import PageTokens
from headwater.api.settings import ApiSettings
from headwater.shapes.streams import GetStreamRequest, StopStreamRequest, StopStreamResponse
from headwater.store.records import Scope

SETTINGS = ApiSettings(ingest_host="a", srt_host="b", playback_base_url="c")
SCOPE = Scope("123456789012", "eu-west-1")
CALL = Call(
    operation="GetStream",
    scope=SCOPE,
    now_ms=0,
    random_bytes=bytes,
    settings=SETTINGS,
    endpoints=endpoints(SETTINGS, SCOPE),
    tokens=PageTokens(b"token-secret"),
    store=None,
    control=None,
)


async def answers(call: Call, req: StopStreamRequest) -> StopStreamResponse:
    raise NotImplementedError


async def answers_nothing(call: Call, req: GetStreamRequest) -> None:
    raise NotImplementedError


def test_a_handlers_annotations_say_its_request_and_its_status():
    with_answer = operation("StopStream", writes=True)(answers)
    without = operation("Nothing")(answers_nothing)

    assert (with_answer.method, with_answer.path) == ("POST", "/StopStream")
    assert (with_answer.decoder.shape, with_answer.status) == (StopStreamRequest, HTTPStatus.OK)
    assert (without.decoder.shape, without.status) == (GetStreamRequest, HTTPStatus.NO_CONTENT)
    assert (with_answer.writes, without.writes) == (True, False)


ARNS = [
    ("own", "arn:aws:ivs:eu-west-1:123456789012:channel/ID", "ID"),
    ("another region", "arn:aws:ivs:us-east-1:123456789012:channel/ID", None),
    ("another account", "arn:aws:ivs:eu-west-1:210987654321:channel/ID", None),
    ("no ARN", "nope", None),
]


@pytest.mark.parametrize(("arn", "id_"), [row[1:] for row in ARNS], ids=[row[0] for row in ARNS])
def test_an_id_is_read_only_from_an_arn_of_the_callers_scope(arn, id_):
    assert CALL.own_id(arn) == id_
    assert CALL.own_ids([arn]) == ([id_] if id_ else [])


def test_a_list_is_named_by_operation_scope_and_filters():
    assert CALL.list_id("x") == ("GetStream", "123456789012", "eu-west-1", "x")


def test_a_calls_repr_hides_the_token_secret():
    assert "token-secret" not in repr(CALL)
