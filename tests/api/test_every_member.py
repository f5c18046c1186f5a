"""Every operation of the table, asked wrongly in every way that botocore's model knows of.

All of it is made from the model, so that an operation is covered as soon as it is there.
"""

import asyncio
import http.client
import json

import pytest
import structlog

from api.inputs import MODEL, least, located, request_of, wrong_values
from headwater.api.operations import OPERATIONS
from headwater.node.http_server import HttpServer
from headwater.node.listen import listen, port_of

NAMES = [operation.name for operation in OPERATIONS]
WITH_BODY = [name for name in NAMES if located(name, None)]
TOO_LONG = b'{"padding":"' + b" " * 262_144 + b'"}'


@pytest.fixture(scope="module")
def service(tmp_path_factory, serving):
    """One for the whole module, as most of what is asked here changes nothing; without its log."""
    folder = tmp_path_factory.mktemp("every_member")
    with structlog.testing.capture_logs(), serving(folder) as service:
        yield service


def shape_of(operation):
    return MODEL.operation_model(operation).input_shape


def asked(service, operation, members):
    method, path, query, body = request_of(operation, members)
    return service.send(method, path, query=query, body=body)


def sent(service, operation, body, **headers):
    """The answer to a body as it is; path and query are right."""
    method, path, query, _ = request_of(operation, least(shape_of(operation)))
    return service.send(method, path, query=query, body=body, headers=headers)


def refusal(response):
    """The text of a refusal, after a look at its form."""
    body = json.loads(response.body)
    assert (response.status, body["__type"]) == (400, "ValidationException")
    assert dict(response.headers)["x-amzn-ErrorType"] == "ValidationException"
    assert body["message"] == body["exceptionMessage"]
    return body["message"]


def understood(response):
    """Whether nothing was wrong with the request: what it named need not exist."""
    if response.status in {200, 204}:
        return True
    code = json.loads(response.body)["__type"]
    return response.status < 500 and code != "ValidationException"


def in_url(operation, name, value):
    """Whether the value can be written into a path or a query: only text can."""
    members = [*located(operation, "uri"), *located(operation, "querystring")]
    items = value if isinstance(value, list) else [value]
    return name in members and all(isinstance(item, str) for item in items)


def wrong_rows():
    for operation in NAMES:
        in_body = located(operation, None)
        for name, member in shape_of(operation).members.items():
            for path, kind, what, value in wrong_values(member, name):
                if name in in_body or in_url(operation, name, value):
                    id_ = f"{operation}.{path} {what}".replace(" ", "-")
                    yield pytest.param(operation, name, value, f"{path} must be {kind}", id=id_)


@pytest.mark.parametrize(("operation", "member", "value", "says"), list(wrong_rows()))
def test_what_is_wrong_is_named_with_what_is_allowed(service, operation, member, value, says):
    response = asked(service, operation, least(shape_of(operation)) | {member: value})

    assert refusal(response).startswith(f"{operation}.{says}")


MEMBERS = [(operation, member) for operation in NAMES for member in shape_of(operation).members]
REQUIRED = [row for row in MEMBERS if row[1] in shape_of(row[0]).required_members]
OPTIONAL = [row for row in MEMBERS if row not in REQUIRED]


@pytest.mark.parametrize(
    ("operation", "member"),
    # What stands in a URL is never missing: it is empty, which is in the rows above.
    [row for row in REQUIRED if row[1] in located(row[0], None)],
)
@pytest.mark.parametrize("gone", ["missing", "null"])
def test_a_required_member_that_is_missing_is_named(service, operation, member, gone):
    members = least(shape_of(operation)) | {member: None}
    if gone == "missing":
        del members[member]

    text = refusal(asked(service, operation, members))

    assert text == f"{operation}.{member} is a required attribute"


@pytest.mark.parametrize(("operation", "member"), OPTIONAL)
def test_an_optional_member_that_is_null_is_one_that_was_not_sent(service, operation, member):
    response = asked(service, operation, least(shape_of(operation)) | {member: None})

    assert understood(response)


@pytest.mark.parametrize("operation", NAMES)
def test_the_least_that_the_model_requires_is_understood(service, operation):
    assert understood(asked(service, operation, least(shape_of(operation))))


@pytest.mark.parametrize("operation", WITH_BODY)
def test_members_that_nobody_knows_are_ignored(service, operation):
    members = json.loads(request_of(operation, least(shape_of(operation)))[3])
    body = json.dumps(members | {"newer": {"deep": [1, None]}, "arn ": "x"}).encode()

    assert understood(sent(service, operation, body))


MALFORMED = [
    ("no JSON",         b"{",                              "body must be a JSON object"),
    ("form",            b"name=a",                         "body must be a JSON object"),
    ("list",            b"[]",                             "body must be a JSON object"),
    ("null",            b"null",                           "body must be a JSON object"),
    ("trailing",        b"{} {}",                          "body must be a JSON object"),
    ("NaN",             b'{"x":NaN}',                      "body must be a JSON object"),
    ("endless number",  b'{"x":' + b"1" * 5000 + b"}",     "body must be a JSON object"),
    ("beyond a double", b'{"x":1e999}',                    "body must be a JSON object"),
    ("Latin-1",         b'{"name":"\xe9"}',                "body must be UTF-8"),
    ("deep lists",      b'{"x":' + b"[" * 100_000,         "nested too deeply"),
    ("deep objects",    b'{"x":' * 40_000,                 "nested too deeply"),
    ("same name twice", b'{"arn":"a","arn":"b"}',          "same name twice"),
    ("twice below",     b'{"x":{"a":"1","a":"2"}}',        "same name twice"),
]  # fmt: skip


@pytest.mark.parametrize("operation", WITH_BODY)
@pytest.mark.parametrize(
    ("body", "says"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_a_body_that_is_no_json_object_is_refused(service, operation, body, says):
    assert says in refusal(sent(service, operation, body))


@pytest.mark.parametrize("operation", NAMES)
def test_a_body_beyond_the_limit_is_refused(service, operation):
    response = sent(service, operation, TOO_LONG)

    assert response.status == 413
    assert json.loads(response.body)["__type"] == "RequestEntityTooLargeException"


@pytest.mark.parametrize("operation", NAMES)
@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "application/x-amz-json-1.1", "x; y=z"]
)
def test_any_content_type_is_read_as_json(service, operation, content_type):
    body = request_of(operation, least(shape_of(operation)))[3]
    headers = {"Content-Type": content_type} if content_type else {}

    assert understood(sent(service, operation, body, **headers))


def exchanged(port, request, body):
    """Status and body of the answer to a request sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    headers = dict(request.headers) | {"transfer-encoding": "chunked"}
    headers.pop("content-length", None)
    try:
        connection.request(request.method, request.path, iter(pieces), headers, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


async def chunked(api, requests):
    """The answers of a real server."""
    with listen("127.0.0.1", 0, "http.port") as sock:
        server = HttpServer(sock, api.respond, max_body_bytes=262_144)
        port = port_of(sock)
        server.start()
        try:
            return [
                await asyncio.to_thread(exchanged, port, request, body)
                for request, body in requests
            ]
        finally:
            await server.stop()


def test_bodies_in_chunks_are_read_and_bounded_as_others(service):
    # Signed as usual; the server's port is not the signed one, the host header is.
    right, wrong = [], []
    for operation in WITH_BODY:
        asked(service, operation, least(shape_of(operation)))
        request = service.requests[-1]
        right.append((request, request.body))
        wrong.append((request, TOO_LONG))

    answers = service.runner.run(chunked(service.api, right + wrong))

    for status, body in answers[: len(right)]:
        assert status in {200, 204} or json.loads(body)["__type"] != "ValidationException"
        assert status < 500
    for status, body in answers[len(right) :]:
        assert status == 413
        assert json.loads(body)["__type"] == "RequestEntityTooLargeException"
