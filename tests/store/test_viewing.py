import asyncio

import pytest

from headwater.store import Store
from headwater.store.records import ViewerSessionRevocation
from store.rows import HERE, add_channel

UUID = "00000000-1111-2222-3333-44445555aaff"


async def use(store, uuid=UUID, channel_id="channel", expires_at_ms=1000):
    async with store.write(HERE.account) as work:
        return await work.viewing.use_token(channel_id, uuid, expires_at_ms=expires_at_ms)


async def is_used(store, uuid=UUID, channel_id="channel"):
    async with store.read() as work:
        return await work.viewing.is_used(channel_id, uuid)


async def test_a_token_is_used_once_on_a_channel(store):
    assert not await is_used(store)
    assert await use(store)
    assert await is_used(store)
    assert not await use(store)
    assert not await is_used(store, channel_id="other")
    assert await use(store, channel_id="other")
    assert await use(store, UUID.replace("0", "1"))


async def test_of_many_servers_that_take_a_token_at_once_one_gets_it(store, url):
    stores = [store, *[await Store.open(url, busy_timeout_ms=20_000) for _ in range(3)]]
    got = await asyncio.gather(*(use(each) for each in stores for _ in range(5)))
    for each in stores[1:]:
        await each.close()
    assert sorted(got) == [False] * 19 + [True]


async def test_used_tokens_are_forgotten_once_they_have_long_expired(store):
    other = UUID.replace("0", "1")
    assert await use(store, expires_at_ms=999)
    assert await use(store, other, expires_at_ms=1000)
    async with store.write() as work:
        await work.viewing.purge(expired_before_ms=1000)
    assert not await is_used(store)
    assert await is_used(store, other)


def revocation(channel, viewer_id, **changes):
    fields = {"versions_up_to": 3, "revoked_at_ms": 1000}
    return ViewerSessionRevocation(channel_id=channel.id, viewer_id=viewer_id, **fields | changes)


async def test_new_revocations_of_some_channels_are_found(store):
    mine, other = await add_channel(store), await add_channel(store)
    before = revocation(mine, "a", revoked_at_ms=999)
    first, second = revocation(mine, "b"), revocation(mine, "c", versions_up_to=0)
    elsewhere = revocation(other, "b")
    async with store.write() as work:
        for each in (before, first, second, elsewhere):
            await work.put_revocation(each)

    async with store.read() as work:
        found = await work.viewing.revocations([mine.id], since_ms=1000)
        assert sorted(found, key=lambda each: each.viewer_id) == [first, second]
        assert len(await work.viewing.revocations([mine.id, other.id], since_ms=0)) == 4
        assert await work.viewing.revocations([], since_ms=0) == []


@pytest.mark.parametrize("uuid", ["' OR 1=1 --", "ü", ""])
async def test_whatever_a_token_says_is_a_value(store, uuid):
    assert await use(store, uuid)
    assert not await use(store, uuid)
    assert not await is_used(store)
