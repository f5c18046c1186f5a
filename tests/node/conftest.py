import pytest

from headwater.node.streams import live
from headwater.store import Store
from node.publishing import KEY, Clock, registry_of
from store.rows import channel, insert_both, stream_key


@pytest.fixture
async def registry(tmp_path, monkeypatch):
    """Of one channel, which KEY publishes to."""
    monkeypatch.setattr(live, "GONE_LOOK_S", 0.01)
    monkeypatch.setattr(Clock, "now_ms", 1_700_000_000_000)
    store = await Store.open(f"sqlite:///{tmp_path}/headwater.db")
    try:
        record = channel()
        async with store.write() as work:
            await insert_both(work, record, stream_key(record, value=KEY))
        yield registry_of(store)
    finally:
        await store.close()
