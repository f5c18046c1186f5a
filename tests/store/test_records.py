import pytest

from headwater.core.secret import Secret
from headwater.store.identities import AccessKeyRecord
from store.rows import channel, stream_key

OF = channel(id="abcdefABCDEF")
RECORDS = [
    channel(srt_passphrase=Secret("hush")),
    stream_key(OF, value=Secret("hush")),
    AccessKeyRecord(
        id="AKHW",
        account="1",
        secret=Secret("hush"),
        created_at_ms=0,
        description="ours",
        user_id="",
        session_digest=b"",
        expires_at_ms=0,
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_repr_hides_the_secret(record):
    assert "hush" not in repr(record)
    assert "hush" not in str(record)


def test_arns_carry_the_records_own_scope():
    key = stream_key(OF, id="xyzXYZ123456")

    assert OF.arn == "arn:aws:ivs:eu-west-1:123456789012:channel/abcdefABCDEF"
    assert key.arn == "arn:aws:ivs:eu-west-1:123456789012:stream-key/xyzXYZ123456"
    assert key.channel_arn == OF.arn
