import json

import pytest

from headwater.api.operation import LiveStream

NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"


@pytest.fixture
def arn(ivs, service):
    """A live channel."""
    arn = ivs.create_channel()["channel"]["arn"]
    stream = LiveStream(
        channel_arn=arn,
        stream_id=f"st-{1:023}",
        started_at_ms=0,
        health="HEALTHY",
        viewer_count=0,
    )
    service.live.streams.append(stream)
    return arn


def text_of(caught):
    return caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    "text", ["x", "ü" * 512, "\x00 \u2028 😀", '{"a": 1}'], ids=["one", "1 KB", "odd", "JSON"]
)
def test_the_text_goes_to_the_stream_as_it_is(ivs, service, arn, text):
    ivs.put_metadata(channelArn=arn, metadata=text)

    assert (service.responses[-1].status, service.responses[-1].body) == (204, b"")
    assert service.live.metadata == [(arn, text)]


@pytest.mark.parametrize("text", ["x" * 1025, "ü" * 513], ids=["ASCII", "UTF-8"])
def test_more_than_a_kilobyte_is_refused_in_awss_words(ivs, service, arn, text):
    with pytest.raises(ivs.exceptions.ValidationException) as caught:
        ivs.put_metadata(channelArn=arn, metadata=text)

    assert text_of(caught) == "Metadata size exceeds payload limit"
    assert service.live.metadata == []


WRONG = [
    # id,       arguments,          text
    ("none",    {},                 "PutMetadata.metadata is a required attribute"),
    ("null",    {"metadata": None}, "PutMetadata.metadata is a required attribute"),
    ("empty",   {"metadata": ""},   "PutMetadata.metadata must be a string of at least 1 character"),
    ("number",  {"metadata": 1},    "PutMetadata.metadata must be a string"),
    ("list",    {"metadata": []},   "PutMetadata.metadata must be a string"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_no_text_is_refused(service, arn, arguments, text):
    body = json.dumps({"channelArn": arn, **arguments}).encode()
    answer = service.send("POST", "/PutMetadata", body=body)

    assert answer.status == 400
    assert json.loads(answer.body)["message"] == text


def test_a_missing_channel_arn_is_told_in_awss_words(ivs):
    with pytest.raises(ivs.exceptions.ValidationException) as caught:
        ivs.put_metadata(metadata="x")

    assert text_of(caught) == "PutMetadata.channelArn is a required attribute"


def test_an_idle_channel_is_not_broadcasting_in_awss_words(ivs, service, arn):
    service.live.streams.clear()

    with pytest.raises(ivs.exceptions.ChannelNotBroadcasting) as caught:
        ivs.put_metadata(channelArn=arn, metadata="x")
    assert text_of(caught) == f"ChannelNotBroadcasting: Channel: {arn} is not currently online"


def test_an_unknown_channel_is_not_found(ivs):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NO_CHANNEL):
        ivs.put_metadata(channelArn=NO_CHANNEL, metadata="x")


def test_the_sixth_in_a_second_is_refused_in_awss_words(ivs, service, arn):
    for _ in range(5):
        ivs.put_metadata(channelArn=arn, metadata="x")

    with pytest.raises(ivs.exceptions.ThrottlingException) as caught:
        ivs.put_metadata(channelArn=arn, metadata="x")
    assert service.responses[-1].status == 429
    assert (
        text_of(caught) == f"Operation: ivs:PutMetadata exceeded call rate: 5 for resource: {arn}"
    )


def test_the_text_is_in_no_repr_of_the_request(ivs, service, arn):
    ivs.put_metadata(channelArn=arn, metadata="hush-hush")

    assert "hush" not in repr(service.api)
