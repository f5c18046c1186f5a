"""Integer time: ticks of a timescale, and the one way to convert between scales."""


def rescale(ticks: int, from_scale: int, to_scale: int) -> int:
    """Convert `ticks` between timescales (ticks per second), rounding half up.

    Exact in integers; negative ticks round half up too, so that a difference of two
    rescaled times is off by at most one tick.
    """
    return (2 * ticks * to_scale + from_scale) // (2 * from_scale)
