from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.arn import Arn, parse_arn
from headwater.core.http import Request
from headwater.core.secret import Secret
from headwater.core.timebase import rescale

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"

NOT_ARNS = ["", "nope", ARN + "\n", ARN.replace("ivs", "s3"), ARN.replace("/", ":"), " " + ARN]


def test_an_arn_comes_apart_and_together_again():
    arn = parse_arn(ARN)

    assert arn == Arn("us-west-2", "123456789012", "channel", "abcdABCDefgh")
    assert str(arn) == ARN


@pytest.mark.parametrize("text", NOT_ARNS)
def test_other_text_is_no_arn(text):
    assert parse_arn(text) is None


def test_a_secret_shows_in_no_text():
    secret = Secret("sk_us-east-1_abc")

    assert "abc" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "sk_us-east-1_abc"
    assert secret == Secret("sk_us-east-1_abc")
    assert secret != Secret("other")
    assert hash(secret) == hash(Secret("sk_us-east-1_abc"))


@given(st.integers(-(2**40), 2**40), st.integers(1, 200_000), st.integers(1, 200_000))
def test_rescaling_is_never_off_by_more_than_half_a_tick(ticks, from_scale, to_scale):
    exact = Fraction(ticks * to_scale, from_scale)

    assert abs(rescale(ticks, from_scale, to_scale) - exact) <= Fraction(1, 2)


def test_rescaling_rounds_half_up():
    assert rescale(1, 2, 1) == 1
    assert rescale(-1, 2, 1) == 0


def test_a_request_gives_the_first_header_of_a_name():
    request = Request(method="GET", path="/", query="", headers=[("a", "1"), ("a", "2")])

    assert request.header("a") == "1"
    assert request.header("b") is None
