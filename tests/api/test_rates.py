import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api import rates
from headwater.api.rates import Rates

KEY = ("PutMetadata", "a channel")


def test_a_second_holds_as_many_calls_as_the_rate_says():
    of = Rates()

    assert [of.allow(KEY, per_s=5, now_ms=1000) for _ in range(7)] == [True] * 5 + [False] * 2


def test_calls_come_back_one_by_one():
    of = Rates()
    for _ in range(5):
        of.allow(KEY, per_s=5, now_ms=0)

    assert [of.allow(KEY, per_s=5, now_ms=at) for at in (199, 200, 201, 400)] == [
        False,
        True,
        False,
        True,
    ]


def test_each_key_has_its_own_rate():
    of = Rates()

    assert of.allow(("a",), per_s=1, now_ms=0)
    assert of.allow(("b",), per_s=1, now_ms=0)
    assert not of.allow(("a",), per_s=1, now_ms=0)


def test_a_clock_that_is_set_back_neither_gives_nor_takes():
    of = Rates()
    for _ in range(5):
        of.allow(KEY, per_s=5, now_ms=10_000)

    assert not of.allow(KEY, per_s=5, now_ms=0)
    assert of.allow(KEY, per_s=5, now_ms=200)


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 10))
def test_no_second_ever_holds_more_than_twice_the_rate(pauses_ms, per_s):
    """A full bucket at its start, and what flows in during it."""
    of, now_ms, allowed = Rates(), 0, []
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        if of.allow(KEY, per_s=per_s, now_ms=now_ms):
            allowed.append(now_ms)

    for start in allowed:
        assert sum(start <= at < start + 1000 for at in allowed) <= 2 * per_s


def test_what_was_not_called_for_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "MAX_BUCKETS", 2)
    of = Rates()
    for name in ("a", "b", "a", "c"):
        of.allow((name,), per_s=2, now_ms=0)

    assert len(of._buckets) == 2
    assert not of.allow(("a",), per_s=2, now_ms=0)
    assert of.allow(("b",), per_s=2, now_ms=0)
