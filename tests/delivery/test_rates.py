import pytest

from headwater.delivery.rates import BitRate


def rated(*segments, target_duration_s=2):
    rates = BitRate(target_duration_s)
    for parts in segments:
        for size_bytes, duration_ms in parts:
            rates.add_part(size_bytes, duration_ms)
        rates.finish_segment()
    return rates


CASES = [
    # id,                                  segments of (bytes, ms),                          peak, average
    ("nothing yet",                        [],                                               1, 1),
    ("steady",                             [[(1000, 1000)] * 2] * 3,                         8000, 8000),
    ("one heavy segment",                  [[(1000, 2000)], [(3000, 2000)], [(500, 2000)]],  12000, 6000),
    ("a short one counts with the next",   [[(1000, 100)], [(1000, 1900)]],                  8000, 8000),
    ("durations of zero",                  [[(1000, 0)]],                                    1, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("segments", "peak_bps", "average_bps"),
    [row[1:] for row in CASES],
    ids=[row[0] for row in CASES],
)
def test_rates_of(segments, peak_bps, average_bps):
    rates = rated(*segments)

    assert (rates.peak_bps(), rates.average_bps()) == (peak_bps, average_bps)


def test_the_first_part_already_has_a_rate():
    rates = BitRate(2)
    rates.add_part(1000, 500.0)

    assert rates.peak_bps() == rates.average_bps() == 16000


def test_the_peak_never_falls():
    rates = rated([(5000, 2000)], *[[(10, 2000)]] * 50)

    assert rates.peak_bps() == 20000
    assert rates.average_bps() < 1000
