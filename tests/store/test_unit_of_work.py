import re
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict
from sqlalchemy import event, insert
from sqlalchemy.exc import IntegrityError

from headwater.core.secret import Secret
from headwater.store.records import ChannelRecord, Position, Scope, StreamKeyRecord
from headwater.store.tables import CHANNEL_FILTERS, RESOURCE_TABLES, digest
from headwater.store.unit_of_work import UnitOfWork
from store import rows
from store.rows import ELSEWHERE, HERE, add_channel, channel, insert_both, stream_key

# The store outlives an example: each example takes back what it wrote.
on_one_store = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
IDS = st.text("abcXYZ019", min_size=1, max_size=4)


class Undo(Exception):  # noqa: N818 - no error: rolls a unit of work back
    pass


def position(record):
    return Position(record.created_at_ms, record.id)


@given(pair=rows.channels_with_keys())
@on_one_store
async def test_channels_and_stream_keys_come_back_as_they_went_in(store, pair):
    of, key = pair
    scope = Scope(of.account, of.region)
    with suppress(Undo):
        async with store.write() as work:
            await insert_both(work, of, key)

            assert await work.get(ChannelRecord, scope, of.id) == of
            assert await work.channel_by_id(of.id) == of
            assert await work.get_many(ChannelRecord, scope, [of.id]) == [of]
            assert await work.page(ChannelRecord, scope, limit=1, after=None, name=of.name) == [of]
            assert await work.get(StreamKeyRecord, scope, key.id) == key
            assert await work.get_many(StreamKeyRecord, scope, [key.id]) == [key]
            assert await work.stream_key_by_value(key.value) == key
            assert await work.page(
                StreamKeyRecord, scope, channel_id=of.id, limit=1, after=None
            ) == [key]
            raise Undo


@given(before=rows.channels, after=rows.channels)
@on_one_store
async def test_an_update_replaces_all_but_identity_and_age(store, before, after):
    same = {name: getattr(before, name) for name in ("id", "region", "account")}
    after = msgspec.structs.replace(after, **same)
    with suppress(Undo):
        async with store.write() as work:
            await insert_both(work, before, stream_key(before))

            assert await work.update(after)
            assert await work.channel_by_id(before.id) == msgspec.structs.replace(
                after, created_at_ms=before.created_at_ms
            )
            raise Undo


@given(name=rows.text, values=st.lists(st.binary(max_size=50), min_size=1, max_size=3))
@on_one_store
async def test_a_setting_is_what_was_put_last(store, name, values):
    with suppress(Undo):
        async with store.write() as work:
            assert await work.setting(name) is None
            for value in values:
                await work.put_setting(name, value)
                assert await work.setting(name) == value
            raise Undo


@pytest.mark.parametrize("foreign", ELSEWHERE, ids=["other region", "other account"])
async def test_a_foreign_scope_sees_and_changes_nothing(store, foreign):
    of = await add_channel(store)
    key = stream_key(of)
    async with store.write() as work:
        await work.insert(key)

        assert await work.get(ChannelRecord, foreign, of.id) is None
        assert await work.get_many(ChannelRecord, foreign, [of.id]) == []
        assert await work.page(ChannelRecord, foreign, limit=9, after=None) == []
        assert await work.count(ChannelRecord, foreign) == 0
        assert await work.get(StreamKeyRecord, foreign, key.id) is None
        assert await work.get_many(StreamKeyRecord, foreign, [key.id]) == []
        assert (
            await work.page(StreamKeyRecord, foreign, channel_id=of.id, limit=9, after=None) == []
        )
        assert await work.count(StreamKeyRecord, foreign, channel_id=of.id) == 0
        moved = {"account": foreign.account, "region": foreign.region, "name": "mine"}
        assert not await work.update(msgspec.structs.replace(of, **moved))
        assert not await work.delete(ChannelRecord, foreign, of.id)
        assert not await work.delete(StreamKeyRecord, foreign, key.id)
    async with store.read() as work:
        assert await work.get(ChannelRecord, HERE, of.id) == of
        assert await work.get(StreamKeyRecord, HERE, key.id) == key


async def test_publishers_and_viewers_find_channels_of_any_scope(store):
    of = await add_channel(store, ELSEWHERE[0])
    key = stream_key(of)
    async with store.write() as work:
        await work.insert(key)

        assert await work.channel_by_id(of.id) == of
        assert await work.stream_key_by_value(key.value) == key
        assert await work.stream_key_by_value(Secret("sk_unknown")) is None


async def test_deleting_a_channel_deletes_its_keys_and_no_others(store):
    gone, stays = await add_channel(store), await add_channel(store)
    key = stream_key(gone)
    async with store.write() as work:
        await work.insert(key)

        assert await work.count(StreamKeyRecord, HERE, channel_id=gone.id) == 2
        assert await work.delete(ChannelRecord, HERE, gone.id)
        assert not await work.delete(ChannelRecord, HERE, gone.id)
        assert await work.channel_by_id(gone.id) is None
        assert await work.count(StreamKeyRecord, HERE, channel_id=gone.id) == 0
        assert await work.stream_key_by_value(key.value) is None
        assert await work.count(StreamKeyRecord, HERE, channel_id=stays.id) == 1


async def test_a_deleted_stream_key_is_gone_by_id_and_by_value(store):
    of = await add_channel(store)
    key = stream_key(of)
    async with store.write() as work:
        await work.insert(key)

        assert await work.delete(StreamKeyRecord, HERE, key.id)
        assert not await work.delete(StreamKeyRecord, HERE, key.id)
        assert await work.get(StreamKeyRecord, HERE, key.id) is None
        assert await work.stream_key_by_value(key.value) is None


async def test_a_stream_key_needs_a_channel(store):
    with pytest.raises(IntegrityError, match=r"(?i)foreign key constraint"):
        async with store.write() as work:
            await work.insert(stream_key(channel()))


async def test_two_channels_never_share_a_stream_key(store):
    one, two = await add_channel(store), await add_channel(store)
    async with store.write() as work:
        await work.insert(stream_key(one, value=Secret("same")))
    with pytest.raises(IntegrityError, match=r"(?i)unique .*stream_keys.value_digest"):
        async with store.write() as work:
            await work.insert(stream_key(two, value=Secret("same")))


async def test_batches_answer_in_the_order_asked_and_skip_the_unknown(store):
    one, two = await add_channel(store), await add_channel(store)
    async with store.read() as work:
        asked = [two.id, "unknown", one.id, two.id]
        assert await work.get_many(ChannelRecord, HERE, asked) == [two, one]
        assert await work.get_many(ChannelRecord, HERE, []) == []
        assert await work.get_many(StreamKeyRecord, HERE, ["unknown"]) == []


@pytest.mark.parametrize("column", CHANNEL_FILTERS)
async def test_a_filter_must_match_exactly(store, column):
    await add_channel(store)
    await add_channel(store, **{column: "Wanted"})
    wanted = await add_channel(store, **{column: "wanted"})
    async with store.read() as work:
        assert await work.page(ChannelRecord, HERE, limit=9, after=None, **{column: "wanted"}) == [
            wanted
        ]
        assert await work.page(ChannelRecord, HERE, limit=9, after=None, **{column: "wante"}) == []
        assert len(await work.page(ChannelRecord, HERE, limit=9, after=None, **{column: ""})) == 1
        assert len(await work.page(ChannelRecord, HERE, limit=9, after=None)) == 3


async def test_filters_must_match_together(store):
    both = await add_channel(store, name="n", ad_configuration_arn="a")
    await add_channel(store, name="n")
    async with store.read() as work:
        found = await work.page(
            ChannelRecord, HERE, limit=9, after=None, name="n", ad_configuration_arn="a"
        )
    assert found == [both]


@given(
    ages=st.dictionaries(IDS, st.integers(0, 3), max_size=12),
    limit=st.integers(1, 5),
    changes=st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=8),
)
@on_one_store
async def test_pages_hold_every_record_that_stays_once_and_in_order(store, ages, limit, changes):
    """Between pages a channel is made, or deleted if there is one of that id."""
    stays, seen, after = set(ages), [], None
    with suppress(Undo):
        async with store.write() as work:
            for id_, age in ages.items():
                of = channel(id=id_, created_at_ms=age)
                await insert_both(work, of, stream_key(of))
            while page := await work.page(ChannelRecord, HERE, limit=limit, after=after):
                assert len(page) <= limit
                seen += map(position, page)
                after = seen[-1]
                for id_, age in changes[:2]:
                    stays.discard(id_)
                    if not await work.delete(ChannelRecord, HERE, id_):
                        of = channel(id=id_, created_at_ms=age)
                        await insert_both(work, of, stream_key(of))
                del changes[:2]

            order = [(each.created_at_ms, each.id) for each in seen]
            assert order == sorted(set(order))
            assert stays <= {each.id for each in seen}
            raise Undo


async def test_keys_of_a_channel_are_listed_by_age_and_page_by_page(store):
    of = await add_channel(store, created_at_ms=5)
    keys = [
        stream_key(of, id=id_, created_at_ms=age) for id_, age in [("b", 7), ("c", 6), ("a", 7)]
    ]
    async with store.write() as work:
        for key in keys:
            await work.insert(key)
        first = await work.page(StreamKeyRecord, HERE, channel_id=of.id, limit=2, after=None)
        rest = await work.page(
            StreamKeyRecord, HERE, channel_id=of.id, limit=9, after=position(first[-1])
        )

    assert [key.id for key in first[1:] + rest] == ["c", "a", "b"]


NEXT = {"limit": 9, "after": Position(1, "a")}
LISTINGS = [
    # id,          call,                                       reads by
    ("channels", lambda work: work.page(ChannelRecord, HERE, **NEXT), "ix_channels_order"),
    ("stream keys", lambda work: work.page(StreamKeyRecord, HERE, channel_id="c", **NEXT), "ix_stream_keys_order"),
    *(
        (name, lambda work, name=name: work.page(ChannelRecord, HERE, **NEXT, **{name: "x"}),
         f"ix_channels_{name}")
        for name in CHANNEL_FILTERS
    ),
]  # fmt: skip


def plan(connection, prepared, parameters):
    """The steps in which the database would run the statement."""
    asked = []

    def remember(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    event.listen(connection.engine, "before_cursor_execute", remember)
    connection.execute(prepared.statement, parameters)
    event.remove(connection.engine, "before_cursor_execute", remember)
    ((statement, parameters),) = asked
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row.detail for row in rows]
    return list(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())


class Overheard:
    """A connection that remembers what it is asked for."""

    def __init__(self, connection):
        self._connection = connection
        self.asked = []

    async def rows(self, prepared, parameters):
        self.asked.append((prepared, parameters))
        return await self._connection.rows(prepared, parameters)


def fill(connection):
    """Enough channels, of enough kinds, that PostgreSQL finds an index worth its while."""
    of = [channel(**dict.fromkeys(CHANNEL_FILTERS, f"x{n}")) for n in range(1000)]
    connection.execute(insert(RESOURCE_TABLES[ChannelRecord]), [asdict(each) for each in of])
    keys = [stream_key(of[0]) for _ in range(1000)]
    connection.execute(
        insert(RESOURCE_TABLES[StreamKeyRecord]),
        [asdict(each) | {"value_digest": digest(each.value)} for each in keys],
    )
    connection.exec_driver_sql("ANALYZE")


async def plan_of(store, call):
    """The plan of the one statement that `call` runs, as text."""
    async with store.write() as work:
        await work._connection.run_sync(fill)
    async with store.read() as work:
        overheard = Overheard(work._connection)
        await call(UnitOfWork(overheard))
        ((prepared, parameters),) = overheard.asked
        steps = await work._connection.run_sync(
            lambda connection: plan(connection, prepared, parameters)
        )
    return "\n".join(steps)


@pytest.mark.parametrize(
    ("call", "index"), [row[1:] for row in LISTINGS], ids=[row[0] for row in LISTINGS]
)
async def test_a_page_is_read_from_an_index_and_never_sorted(store, call, index):
    steps = await plan_of(store, call)

    assert re.search(rf"(USING INDEX|Index Scan using) {index} ", steps)
    assert re.search(r"\(created_at_ms,id\)>\(\?,\?\)|\(ROW\(created_at_ms, .*\) > ROW\(", steps)
    assert not re.search("(?i)sort|b-tree", steps)


async def test_a_stream_keys_value_is_found_by_the_index_of_digests(store):
    steps = await plan_of(store, lambda work: work.stream_key_by_value(Secret("sk_x")))

    assert re.search("sqlite_autoindex_stream_keys|uq_stream_keys_value_digest", steps)
