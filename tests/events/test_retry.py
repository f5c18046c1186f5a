from hypothesis import given
from hypothesis import strategies as st

from headwater.events.retry import LONGEST_MS, wait_ms


def test_each_wait_is_twice_the_one_before_up_to_the_longest():
    waits = [wait_ms(failed, 0.0) for failed in range(1, 9)]

    assert waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


@given(failed=st.integers(1, 100_000), random=st.floats(0, 1))
def test_chance_makes_a_wait_up_to_a_quarter_shorter(failed, random):
    whole = wait_ms(failed, 0.0)

    assert 0.75 * whole <= wait_ms(failed, random) <= whole <= LONGEST_MS
