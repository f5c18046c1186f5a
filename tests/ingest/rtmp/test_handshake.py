import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import PeerError
from headwater.ingest.rtmp.handshake import ServerHandshake
from ingest.rtmp.wire import C0C1, C2, NONCE


def feed(data, step):
    handshake = ServerHandshake(nonce=NONCE)
    answers = [handshake.receive_data(data[i : i + step]) for i in range(0, len(data), step)]
    return handshake, answers


@pytest.mark.parametrize("step", [1, 7, 1537, 10_000])
def test_c1_is_echoed_to_the_byte_however_the_bytes_arrive(step):
    handshake, answers = feed(C0C1 + C2, step)

    assert answers[-1] == b""
    assert set(answers[:-1]) <= {None}
    assert handshake.data_to_send() == b"\x03" + bytes(8) + NONCE + C0C1[1:]
    assert handshake.data_to_send() == b""


def test_what_follows_c2_is_handed_on():
    assert feed(C0C1 + C2 + b"chunks", 10_000)[1] == [b"chunks"]


def test_the_answer_comes_before_c2():
    handshake = ServerHandshake(nonce=NONCE)

    assert handshake.receive_data(C0C1) is None
    assert len(handshake.data_to_send()) == 1 + 1536 + 1536


def test_a_client_with_a_digest_gets_the_plain_answer():
    digest_c1 = bytes.fromhex("00000000 80000702") + bytes(range(256)) * 5 + bytes(248)
    handshake, answers = feed(b"\x03" + digest_c1 + C2, 10_000)

    assert answers == [b""]
    assert handshake.data_to_send().endswith(digest_c1)


REJECTED = [
    # id,                 bytes,                        says
    ("version 2",         b"\x02",                      "RTMP version 2, expected 3"),
    ("R-4 RTMPE",         b"\x06",                      "RTMPE is not supported: use an rtmps"),
    ("R-6 HTTP",          b"GET / HTTP/1.1\r\n",        "speaks RTMP, not HTTP"),
    ("R-6 TLS",           bytes.fromhex("1603010200"),  "not TLS: use the RTMPS port"),
    ("R-6 SSH",           b"SSH-2.0-x",                 "RTMP version 83"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"), [row[1:] for row in REJECTED], ids=[row[0] for row in REJECTED]
)
def test_strangers_are_rejected_at_the_first_byte(data, says):
    with pytest.raises(PeerError, match=says):
        ServerHandshake(nonce=NONCE).receive_data(data)


def test_a_short_nonce_is_our_bug():
    with pytest.raises(ValueError, match="1528"):
        ServerHandshake(nonce=b"short")


@given(st.binary(max_size=4000), st.integers(1, 4000))
def test_any_bytes_end_the_handshake_or_raise_a_peer_error(data, step):
    handshake = ServerHandshake(nonce=NONCE)
    try:
        for start in range(0, len(data), step):
            handshake.receive_data(data[start : start + step])
    except PeerError:
        pass
