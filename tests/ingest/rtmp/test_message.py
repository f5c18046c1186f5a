import pytest

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.message import (
    MessageType,
    UserControl,
    control,
    first_uint32,
    user_control,
)


def test_a_control_message_belongs_to_stream_zero_and_time_zero():
    message = user_control(UserControl.PING_RESPONSE, b"\0\0\0\x09")

    assert (message.type_id, message.stream_id, message.timestamp_ms) == (4, 0, 0)
    assert message.body == bytes.fromhex("0007 00000009")


def test_the_number_of_a_control_message_is_its_first_four_bytes():
    assert first_uint32(control(MessageType.ABORT, b"\0\0\1\2rest")) == 258


def test_a_control_message_without_its_number_is_rejected():
    with pytest.raises(PeerError, match="type 1 has less than 4 bytes"):
        first_uint32(control(MessageType.SET_CHUNK_SIZE, b"\0\0\1"))
