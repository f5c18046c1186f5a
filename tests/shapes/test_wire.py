from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from headwater.core.secret import Secret
from headwater.shapes.channels import Srt
from headwater.shapes.stream_keys import ListStreamKeysResponse, StreamKey
from headwater.shapes.streams import StreamSummary
from headwater.shapes.wire import Shape, encode, shaped

KEY = StreamKey(
    arn="arn:aws:ivs:eu-west-1:1:stream-key/k",
    channel_arn="arn:aws:ivs:eu-west-1:1:channel/c",
    value=Secret("sk_secret"),
    tags={},
)


def test_members_are_camel_case_and_secrets_revealed_on_the_wire():
    assert encode(KEY) == (
        b'{"arn":"arn:aws:ivs:eu-west-1:1:stream-key/k",'
        b'"channelArn":"arn:aws:ivs:eu-west-1:1:channel/c","tags":{},"value":"sk_secret"}'
    )


@pytest.mark.parametrize("shape", [KEY, Srt(endpoint="host", passphrase=Secret("sk_secret"))])
def test_a_repr_hides_secrets(shape):
    assert "sk_secret" not in repr(shape)
    assert "sk_secret" not in str(shape)


def test_unset_members_are_left_out():
    assert encode(ListStreamKeysResponse(stream_keys=[], next_token=UNSET)) == b'{"streamKeys":[]}'


def test_times_are_iso_8601_with_a_z():
    summary = StreamSummary(
        channel_arn="",
        stream_id="",
        state="LIVE",
        health="HEALTHY",
        viewer_count=0,
        start_time=datetime(2020, 5, 5, 21, 55, 38, tzinfo=UTC),
    )

    assert b'"startTime":"2020-05-05T21:55:38Z"' in encode(summary)


def test_shaped_takes_members_of_the_same_name_and_those_that_are_derived():
    source = Srt(endpoint="host", passphrase=Secret("one"))

    assert shaped(Srt, source, endpoint="other") == Srt(endpoint="other", passphrase=Secret("one"))


def test_what_cannot_be_json_is_an_error_of_ours():
    class Odd(Shape, frozen=True):
        value: object

    with pytest.raises(NotImplementedError):
        encode(Odd(value=object()))
