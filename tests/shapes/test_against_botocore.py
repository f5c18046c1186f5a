"""Every member of every shape, compared with botocore's model of the service."""

import typing
from datetime import datetime

import botocore.session
import msgspec
import pytest
from msgspec import inspect

from headwater.api.operations import OPERATIONS
from headwater.core.secret import Secret
from headwater.shapes import (
    ads,
    batch,
    channels,
    failover_slates,
    metadata,
    playback_key_pairs,
    playback_restriction_policies,
    recording_configurations,
    stream_keys,
    stream_sessions,
    streams,
    tags,
    viewer_sessions,
)
from headwater.shapes.wire import Shape

MODEL = botocore.session.Session().get_service_model("ivs")
SHAPES = sorted(
    {
        shape
        for module in (
            ads,
            batch,
            channels,
            failover_slates,
            metadata,
            playback_key_pairs,
            playback_restriction_policies,
            recording_configurations,
            stream_keys,
            stream_sessions,
            streams,
            tags,
            viewer_sessions,
        )
        for shape in vars(module).values()
        if isinstance(shape, type) and issubclass(shape, Shape) and shape is not Shape
    },
    key=lambda shape: shape.__name__,
)
# Differences that are decided, with the reason.
PATTERNS = {  # what is published refuses every real ARN
    "ResourceArn": "arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+",
}
TAG_PATTERNS = {"TagKey", "TagValue"}  # compared by character in test_scalars
OR_EMPTY = {"TranscodePreset"}  # "" for the types that have no preset, in requests as well


def body_members(model):
    """The members that are not headers; those are of every answer (test_headers)."""
    return {
        name: member
        for name, member in model.members.items()
        if member.serialization.get("location") != "header"
    }


def anchored(pattern):
    r"""AWS's whole-string pattern as msgspec must have it: `^...\Z`."""
    if pattern.startswith("^$|^"):
        return "^(|" + pattern.removeprefix("^$|^").removesuffix("$") + r")\Z"
    return f"^{pattern}\\Z"


def bare(type_):
    return type_.type if isinstance(type_, inspect.Metadata) else type_


def compare(type_, model, *, answer):
    """Fail where our type and the model's shape differ, down to scalars."""
    type_ = bare(type_)
    COMPARED[type(type_)](type_, model, answer=answer)
    assert bool(model.metadata.get("sensitive")) is isinstance(type_, inspect.CustomType)


def limits(model):
    return model.metadata.get("min"), model.metadata.get("max")


def compare_literal(type_, model, **_):
    empty = [""] if model.name in OR_EMPTY else []
    assert sorted(type_.values) == sorted([*empty, *model.enum])


def compare_string(type_, model, **_):
    assert model.type_name == "string"
    assert not model.enum
    low, high = limits(model)
    assert (type_.min_length or 0, type_.max_length) == (low or 0, high)
    compare_pattern(type_, model)


def compare_integer(type_, model, **_):
    assert model.type_name in {"integer", "long"}
    assert (type_.ge, type_.le) == limits(model)


def compare_boolean(_, model, **__):
    assert model.type_name == "boolean"


def compare_list(type_, model, *, answer):
    assert model.type_name == "list"
    assert (type_.min_length, type_.max_length) == limits(model)
    compare(type_.item_type, model.member, answer=answer)


def compare_map(type_, model, *, answer):
    assert model.type_name == "map"
    assert (type_.min_length or 0, type_.max_length) == limits(model)
    compare(type_.key_type, model.key, answer=answer)
    compare(type_.value_type, model.value, answer=answer)


def compare_structure(type_, model, **_):
    assert type_.cls.__name__ == model.name


def compare_secret(type_, model, **_):
    assert type_.cls is Secret
    assert model.type_name == "string"


def compare_time(type_, model, **_):
    assert type_.tz is True
    assert (model.type_name, model.serialization["timestampFormat"]) == ("timestamp", "iso8601")


COMPARED = {
    inspect.LiteralType: compare_literal,
    inspect.StrType: compare_string,
    inspect.IntType: compare_integer,
    inspect.BoolType: compare_boolean,
    inspect.ListType: compare_list,
    inspect.DictType: compare_map,
    inspect.StructType: compare_structure,
    inspect.CustomType: compare_secret,
    inspect.DateTimeType: compare_time,
}


def compare_pattern(type_, model):
    pattern = model.metadata.get("pattern")
    pattern = PATTERNS.get(model.name, pattern)
    if model.name not in TAG_PATTERNS:
        assert type_.pattern == (anchored(pattern) if pattern else None)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_has_the_members_of_the_model(shape):
    model = MODEL.shape_for(shape.__name__)
    members = body_members(model)
    answer = not shape.__name__.endswith("Request")

    assert {field.encode_name for field in msgspec.structs.fields(shape)} == set(members)
    for field in inspect.type_info(shape).fields:
        compare(field.type, members[field.encode_name], answer=answer)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_request_requires_what_the_model_requires_and_an_answer_at_least_that(shape):
    required = set(MODEL.shape_for(shape.__name__).required_members)
    ours = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}

    if shape.__name__.endswith("Request"):
        assert ours == required
    else:
        assert required <= ours


def test_every_request_and_answer_of_every_operation_here_is_compared():
    names = {shape.__name__ for shape in SHAPES}
    operations = [name.removesuffix("Request") for name in names if name.endswith("Request")]

    assert set(operations) == {operation.name for operation in OPERATIONS}
    for name in operations:
        output = MODEL.operation_model(name).output_shape
        assert output is None or output.name in names


def test_hidden_members_are_the_sensitive_ones_only():
    hidden = {
        (shape.__name__, name)
        for shape in SHAPES
        for name, hint in typing.get_type_hints(shape).items()
        if hint is Secret
    }

    assert hidden == {
        ("StreamKey", "value"),
        ("Srt", "passphrase"),
        ("PutMetadataRequest", "metadata"),
    }


def test_times_are_datetimes():
    assert typing.get_type_hints(streams.Stream)["start_time"] is datetime
