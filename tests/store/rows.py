"""Records to store, and strategies that make more of them."""

import itertools

from hypothesis import strategies as st

from headwater.core.secret import Secret
from headwater.store.records import (
    ChannelRecord,
    RecordingConfigurationRecord,
    Scope,
    StreamKeyRecord,
)

HERE = Scope("123456789012", "eu-west-1")
ELSEWHERE = [Scope("123456789012", "us-east-1"), Scope("210987654321", "eu-west-1")]
_numbers = itertools.count(1)


def channel(scope=HERE, **changes):
    fields = {
        "id": f"channel{next(_numbers):06}",
        "region": scope.region,
        "account": scope.account,
        "name": "",
        "latency_mode": "LOW",
        "type": "STANDARD",
        "authorized": False,
        "insecure_ingest": False,
        "preset": "",
        "container_format": "TS",
        "recording_configuration_arn": "",
        "playback_restriction_policy_arn": "",
        "ad_configuration_arn": "",
        "failover_slate_configuration_arn": "",
        "multitrack_enabled": False,
        "multitrack_policy": "",
        "multitrack_maximum_resolution": "",
        "srt_passphrase": Secret("srt-hush"),
        "tags": {},
        "created_at_ms": 1_700_000_000_000,
    }
    return ChannelRecord(**fields | changes)


def stream_key(of, **changes):
    number = next(_numbers)
    fields = {
        "id": f"key{number}",
        "region": of.region,
        "account": of.account,
        "channel_id": of.id,
        "value": Secret(f"sk_hush_{number}"),
        "tags": {},
        "created_at_ms": of.created_at_ms,
    }
    return StreamKeyRecord(**fields | changes)


def recording_configuration(scope=HERE, **changes):
    fields = {
        "id": "abcdABCDefgh",
        "region": scope.region,
        "account": scope.account,
        "tags": {},
        "created_at_ms": 0,
        "name": "",
        "bucket_name": "vod",
        "state": "ACTIVE",
        "recording_reconnect_window_seconds": 0,
        "thumbnail_configuration": {},
        "rendition_configuration": {},
    }
    return RecordingConfigurationRecord(**fields | changes)


async def insert_both(work, of, key):
    """A channel, and the key it comes with."""
    await work.insert(of)
    await work.insert(key)


async def add_channel(store, scope=HERE, **changes):
    """A stored channel, with the key it needs."""
    record = channel(scope, **changes)
    async with store.write() as work:
        await insert_both(work, record, stream_key(record))
    return record


# NUL is left out: PostgreSQL cannot store it, and no AWS pattern lets it in.
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
secret = text.map(Secret)
tags = st.dictionaries(text, text, max_size=3)
time_ms = st.integers(0, 2**63 - 1)

booleans = ("authorized", "insecure_ingest", "multitrack_enabled")
texts = set(ChannelRecord.__struct_fields__).difference(
    booleans, ("srt_passphrase", "tags", "created_at_ms")
)
channels = st.builds(
    ChannelRecord,
    srt_passphrase=secret,
    tags=tags,
    created_at_ms=time_ms,
    **dict.fromkeys(booleans, st.booleans()),
    **dict.fromkeys(sorted(texts), text),
)


@st.composite
def channels_with_keys(draw):
    """A channel and a key of it, in one scope."""
    of = draw(channels)
    key = stream_key(
        of,
        id=draw(text),
        value=draw(secret),
        tags=draw(tags),
        created_at_ms=draw(time_ms),
    )
    return of, key
