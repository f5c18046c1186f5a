"""What refusals say, and what is read at all. Every member of every operation: test_every_member."""

import json

import botocore.session
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.api.errors import ValidationError
from headwater.api.operations import OPERATIONS
from headwater.api.validation import check_tags

MODEL = botocore.session.Session().get_service_model("ivs")
DECODERS = {operation.name: operation.decoder for operation in OPERATIONS}
CHANNEL_ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"

SAYS = [
    ("CreateChannel", {"type": "X"},
     "CreateChannel.type must be one of ADVANCED_HD, ADVANCED_SD, BASIC, STANDARD"),
    ("CreateChannel", {"name": "a b"},
     "CreateChannel.name must be a string of at most 128 characters matching [a-zA-Z0-9-_]*"),
    ("CreateChannel", {"authorized": 1}, "CreateChannel.authorized must be true or false"),
    ("CreateChannel", {"tags": {"": ""}},
     ("CreateChannel.tags: each key must be a string of 1 to 128 characters made of letters, "
      "numbers, spaces and _ . : / = + - @")),
    ("CreateChannel", {"tags": []}, "CreateChannel.tags must be an object of at most 50 members"),
    ("CreateChannel", {"multitrackInputConfiguration": 1},
     "CreateChannel.multitrackInputConfiguration must be an object"),
    ("ListChannels", {"maxResults": 0}, "ListChannels.maxResults must be an integer from 1 to 100"),
    ("GetChannel", {"arn": CHANNEL_ARN + "\n"},
     ("GetChannel.arn must be a string of 1 to 128 characters matching "
      "arn:aws:ivs:[a-z0-9-]+:[0-9]+:channel/[a-zA-Z0-9-]+")),
    ("BatchGetChannel", {"arns": []}, "BatchGetChannel.arns must be a list of 1 to 50 items"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "body", "says"), SAYS, ids=[row[2][:40] for row in SAYS])
def test_says_what_is_allowed(operation, body, says):
    with pytest.raises(ValidationError) as caught:
        DECODERS[operation].decode(json.dumps(body).encode())

    assert str(caught.value) == says


MALFORMED = [
    # id,                body,                               says
    ("no JSON",          b"{",                               "body must be a JSON object"),
    ("blank",            b" ",                               "body must be a JSON object"),
    ("trailing",         b"{} {}",                           "body must be a JSON object"),
    ("single quotes",    b"{'name': 'a'}",                   "body must be a JSON object"),
    ("form",             b"name=a",                          "body must be a JSON object"),
    ("NaN",              b'{"maxResults":NaN}',              "body must be a JSON object"),
    ("endless number",   b'{"x":' + b"1" * 5000 + b"}",      "body must be a JSON object"),
    ("beyond a double",  b'{"x":1e999}',                     "body must be a JSON object"),
    ("below a double",   b'{"maxResults":-1e999}',           "body must be a JSON object"),
    ("lone surrogate",   b'{"name":"\\ud800"}',              "body must be a JSON object"),
    ("control char",     b'{"name":"\n"}',                   "body must be a JSON object"),
    ("byte order mark",  b"\xef\xbb\xbf{}",                  "body must be a JSON object"),
    ("list",             b"[]",                              "body must be a JSON object"),
    ("null",             b"null",                            "body must be a JSON object"),
    ("string",           b'"a"',                             "body must be a JSON object"),
    ("number",           b"1",                               "body must be a JSON object"),
    ("Latin-1",          b'{"name":"\xe9"}',                 "body must be UTF-8"),
    ("UTF-16",           '{"name":"a"}'.encode("utf-16"),    "body must be UTF-8"),
    ("deep lists",       b'{"x":' + b"[" * 100_000,          "nested too deeply"),
    ("deep objects",     b'{"x":' * 100_000,                 "nested too deeply"),
    ("same name twice",  b'{"name":"a","name":"b"}',         "same name twice"),
    ("escaped the same", b'{"name":"a","n\\u0061me":"b"}',   "same name twice"),
    ("twice below",      b'{"tags":{"a":"1","a":"2"}}',      "same name twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "says"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_refuses_what_is_no_json_object(body, says):
    with pytest.raises(ValidationError, match=says):
        DECODERS["CreateChannel"].decode(body)


def test_an_empty_body_is_an_empty_object():
    assert DECODERS["ListChannels"].decode(b"") == DECODERS["ListChannels"].decode(b"{}")


def test_a_value_cannot_look_like_the_path_of_another_member():
    with pytest.raises(ValidationError, match=r"^CreateChannel\.type must be one of"):
        DECODERS["CreateChannel"].decode(json.dumps({"type": "X` - at `$.arn`"}).encode())


def test_ignores_members_it_does_not_know():
    body = b'{"name":"a","newer":{"deep":[1,null]},"older":null}'

    assert DECODERS["CreateChannel"].decode(body).name == "a"


def test_a_null_member_is_one_that_was_not_sent():
    body = b'{"name":null,"type":null,"tags":{"team":null},"multitrackInputConfiguration":null}'

    assert DECODERS["CreateChannel"].decode(body) == DECODERS["CreateChannel"].decode(b"{}")
    with pytest.raises(ValidationError, match=r"^GetChannel\.arn is a required attribute$"):
        DECODERS["GetChannel"].decode(b'{"arn":null}')


def test_never_repeats_the_value():
    with pytest.raises(ValidationError) as caught:
        DECODERS["CreateChannel"].decode(b'{"type":"sk_secret"}')

    assert "sk_secret" not in str(caught.value)


@settings(max_examples=150)
@given(body=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_decoded_or_a_validation_error(body):
    for decoder in DECODERS.values():
        try:
            decoder.decode(body)
        except ValidationError as error:
            assert str(error)  # noqa: PT017 - what it says is in the tests above


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
NAMES = sorted({
    name
    for operation in DECODERS
    for name in MODEL.operation_model(operation).input_shape.members
})  # fmt: skip


@settings(max_examples=150)
@given(body=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_any_json_is_decoded_or_a_validation_error(body):
    for decoder in DECODERS.values():
        try:
            decoder.decode(json.dumps(body).encode())
        except ValidationError as error:
            assert str(error)  # noqa: PT017 - what it says is in the tests above


@pytest.mark.parametrize("key", ["aws:a", "AWS:a", "aws:"])
def test_refuses_tags_that_only_aws_may_set(key):
    with pytest.raises(ValidationError, match=r"^CreateChannel\.tags must not have keys"):
        check_tags("CreateChannel", {"a": "b", key: ""})


def test_other_tags_may_hold_colons():
    check_tags("CreateChannel", {"alchemy::id": "aws:", "awsome": "", "xaws:": ""})
