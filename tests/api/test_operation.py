from http import HTTPStatus

from headwater.api.authentication import root_caller
from headwater.api.authorization import Access
from headwater.api.endpoints import endpoints
from headwater.api.operation import Call, operation
from headwater.api.pagination import PageTokens
from headwater.api.rates import Rates
from headwater.api.resources import any_of, member
from headwater.api.routes import Route, RouteTable
from headwater.api.settings import ApiSettings
from headwater.core.http import Request
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
    rates=Rates(),
    store=None,
    control=None,
    destinations=None,
    access=Access(caller=root_caller(SCOPE), context={}, rows=None),
)


async def answers(call: Call, req: StopStreamRequest) -> StopStreamResponse:
    raise NotImplementedError


async def answers_nothing(call: Call, req: GetStreamRequest) -> None:
    raise NotImplementedError


def test_a_handlers_annotations_say_its_request_and_its_status():
    with_answer = operation("StopStream", on=member("channel_arn"), writes=True)(answers)
    without = operation("Nothing", on=any_of("channel"))(answers_nothing)

    assert with_answer.route == Route("POST", "/StopStream")
    assert (with_answer.decoder.shape, with_answer.status) == (StopStreamRequest, HTTPStatus.OK)
    assert (without.decoder.shape, without.status) == (GetStreamRequest, HTTPStatus.NO_CONTENT)
    assert (with_answer.writes, without.writes) == (True, False)


ROUTED = operation(
    "TagResource", on=any_of(), route=Route("POST", "/tags/", path_member="resourceArn")
)(answers)
LISTED = operation(
    "UntagResource",
    on=any_of(),
    route=Route("DELETE", "/tags/", path_member="resourceArn", query_list="tagKeys"),
)(answers)


def request(method: str, path: str, query: str = "") -> Request:
    return Request(method=method, path=path, query=query, headers=())


def test_a_route_finds_whole_paths_and_paths_that_end_in_a_member():
    whole = operation("StopStream", on=any_of())(answers)
    table = RouteTable([whole, ROUTED, LISTED])

    assert table.find(request("POST", "/StopStream")) is whole
    assert table.find(request("POST", "/tags/arn:aws:ivs:r:1:channel/a")) is ROUTED
    assert table.find(request("DELETE", "/tags/x")) is LISTED
    for method, path in [
        ("GET", "/StopStream"),
        ("POST", "/StopStream/"),
        ("POST", "/stopstream"),
        ("PUT", "/tags/x"),
        ("POST", "/tags"),
        ("POST", "/"),
        ("POST", ""),
    ]:
        assert table.find(request(method, path)) is None


def test_members_come_from_path_and_query():
    asked = request(
        "DELETE", "/tags/arn:x/y", "tagKeys=a&other=1&tagKeys=b%20c&tagKeys=d+e&tagKeys="
    )

    assert LISTED.route.members(asked) == {
        "resourceArn": "arn:x/y",
        "tagKeys": ["a", "b c", "d+e", ""],
    }
    assert ROUTED.route.members(asked) == {"resourceArn": "arn:x/y"}


def test_a_call_acts_on_the_arns_it_names_or_on_all_of_a_type():
    asked = StopStreamRequest(channel_arn="arn:aws:ivs:eu-west-1:123456789012:channel/a")

    assert member("channel_arn")(SCOPE, asked) == [asked.channel_arn]
    assert any_of("channel", "stream-key")(SCOPE, asked) == [
        "arn:aws:ivs:eu-west-1:123456789012:channel/*",
        "arn:aws:ivs:eu-west-1:123456789012:stream-key/*",
    ]


def test_a_list_is_named_by_operation_scope_and_filters():
    assert CALL.list_id("x") == ("GetStream", "123456789012", "eu-west-1", "x")


def test_a_calls_repr_hides_the_token_secret():
    assert "token-secret" not in repr(CALL)
