import pytest

from headwater.node.streams import capacity as module
from headwater.node.streams.capacity import Capacity, Encoder, Probed, known_units, measure, probe
from headwater.store import Store


def test_streams_take_units_until_there_are_none_left():
    capacity = Capacity(5.0)

    assert [capacity.take(units) for units in (2.5, 2.0, 1.0, 0.5)] == [True, True, False, True]
    assert not capacity.take(0.1)
    capacity.give_back(2.5)
    assert capacity.take(2.0)


def test_one_stream_always_fits_and_those_that_cost_nothing_too():
    capacity = Capacity(1.0)

    assert capacity.take(3.0)
    assert not capacity.take(0.2)
    assert capacity.take(0.0)
    capacity.give_back(3.0)
    assert capacity.take(0.2)


def test_before_the_machine_has_been_measured_all_are_let_in():
    capacity = Capacity(None)

    assert all(capacity.take(10) for _ in range(10))
    capacity.units = 5.0
    assert not capacity.take(0.1)


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(f"sqlite:///{tmp_path}/headwater.db")
    yield store
    await store.close()


def probes(monkeypatch, answer):
    async def asked(*_):
        return answer

    monkeypatch.setattr(module, "probe", asked)


async def test_what_was_measured_is_kept_for_the_next_start(store, monkeypatch):
    works = Encoder(offered=True, opens=True, reason="")
    probes(monkeypatch, Probed(encoders={"x264": works}, capacity_units=4.5, cores=2))
    assert await known_units(store, "x264", "veryfast") is None
    capacity = Capacity(None)
    await measure(capacity, store, "x264", "veryfast")

    assert capacity.units == 4.5
    assert await known_units(store, "x264", "veryfast") == 4.5
    assert await known_units(store, "x264", "ultrafast") is None
    monkeypatch.setattr(module, "__version__", "another")
    assert await known_units(store, "x264", "veryfast") is None


async def test_a_machine_that_cannot_be_measured_stays_unknown(store, monkeypatch):
    probes(monkeypatch, None)
    capacity = Capacity(None)
    await measure(capacity, store, "x264", "veryfast")

    assert capacity.units is None
    assert await known_units(store, "x264", "veryfast") is None


async def test_a_transcoder_that_does_not_answer_says_nothing():
    assert await probe("no such encoder", "veryfast") is None


async def test_a_probe_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(module, "PROBE_S", 0.01)

    assert await probe("x264", "veryfast") is None
