"""Every member of every request, wrong in every way its shape in botocore's model forbids."""

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
KEY_ARN = "arn:aws:ivs:us-west-2:123456789012:stream-key/abcdABCDefgh"
VALID = {
    "ChannelArn": CHANNEL_ARN,
    "ChannelArnList": [CHANNEL_ARN],
    "StreamKeyArn": KEY_ARN,
    "StreamKeyArnList": [KEY_ARN],
}
WRONG_TYPES = {
    "string": 1, "integer": "1", "boolean": "true", "list": {}, "map": [], "structure": [],
}  # fmt: skip


def least(shape):
    """The smallest valid input of a shape."""
    return {name: VALID[shape.members[name].name] for name in shape.required_members}


def wrong_scalars(shape):
    """(what, value) for each way a value of the shape can be wrong."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind = shape.type_name
    yield "wrong type", WRONG_TYPES[kind]
    if kind == "string":
        if low:
            yield "too short", ""
        if high:
            yield "too long", VALID.get(shape.name, "a") + "a" * high
        if "pattern" in shape.metadata:
            yield "bad pattern", "a b!"
        if shape.enum:
            yield "bad enum", "NOPE"
            yield "lower-case enum", shape.enum[0].lower()
    if kind == "integer":
        yield "too low", low - 1
        yield "too high", high + 1
        yield "fraction", low + 0.5
    if kind == "list":
        yield "too short", []
        yield "too long", VALID[shape.name] * (high + 1)
    if kind == "map":
        yield "too long", {f"key{number}": "" for number in range(high + 1)}


def wrong_values(shape, path):
    """(named path, what, value) for the shape and everything below it."""
    below = {"list": wrong_items, "map": wrong_entries, "structure": wrong_members}
    yield from ((path, what, value) for what, value in wrong_scalars(shape))
    if shape.type_name in below:
        yield from below[shape.type_name](shape, path)


def wrong_items(shape, path):
    yield f"{path}[1]", "null", [*VALID[shape.name], None]
    for below, what, value in wrong_values(shape.member, f"{path}[1]"):
        yield below, what, [*VALID[shape.name], value]


def wrong_entries(shape, path):
    for what, value in wrong_scalars(shape.value):
        yield f"{path}: each value", what, {"key": value}
    for what, value in wrong_scalars(shape.key):
        if isinstance(value, str):
            yield f"{path}: each key", what, {value: ""}


def wrong_members(shape, path):
    for name, member in shape.members.items():
        for below, what, value in wrong_values(member, f"{path}.{name}"):
            yield below, what, {name: value}


def rows():
    for operation in DECODERS:
        shape = MODEL.operation_model(operation).input_shape
        for name, member in shape.members.items():
            for path, what, value in wrong_values(member, name):
                yield pytest.param(
                    operation, name, value, path, id=f"{operation}.{path} {what}".replace(" ", "-")
                )


@pytest.mark.parametrize(("operation", "member", "value", "path"), list(rows()))
def test_names_the_member_that_is_wrong(operation, member, value, path):
    body = least(MODEL.operation_model(operation).input_shape) | {member: value}

    with pytest.raises(ValidationError) as caught:
        DECODERS[operation].decode(json.dumps(body).encode())

    # Which of a map's members is wrong is not said when a value's bound is what fails.
    assert str(caught.value).startswith(f"{operation}.{path} must be ")


@pytest.mark.parametrize("operation", DECODERS)
def test_names_the_required_member_that_is_missing(operation):
    shape = MODEL.operation_model(operation).input_shape
    valid = least(shape)
    DECODERS[operation].decode(json.dumps(valid).encode())

    for name in shape.required_members:
        rest = {key: value for key, value in valid.items() if key != name}
        with pytest.raises(ValidationError) as caught:
            DECODERS[operation].decode(json.dumps(rest).encode())
        assert str(caught.value) == f"{operation}.{name} is a required attribute"


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
