import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core import ids

RANDOM = __import__("secrets").token_bytes

FORMS = [
    # id,             make,                                              form
    ("resource id",   lambda: ids.resource_id(RANDOM),                   r"[A-Za-z0-9]{12}"),
    ("stream id",     lambda: ids.stream_id(RANDOM),                     r"st-[A-Za-z0-9]{23}"),
    ("run id",        lambda: ids.run_id(RANDOM),                        r"[A-Za-z0-9]{16}"),
    ("viewer session", lambda: ids.viewer_session_id(RANDOM),           r"[A-Za-z0-9]{22}"),
    ("key id",        lambda: ids.access_key_id(RANDOM),                 r"AKHW[A-Z2-7]{16}"),
    ("temporary key", lambda: ids.temporary_key_id(RANDOM),              r"ASHW[A-Z2-7]{16}"),
    ("user id",       lambda: ids.user_id(RANDOM),                       r"AIHW[A-Z2-7]{17}"),
    ("session token", lambda: ids.session_token(RANDOM).reveal(),        r"[A-Za-z0-9+/]{128}"),
    ("key secret",    lambda: ids.access_key_secret(RANDOM).reveal(),    r"[A-Za-z0-9+/]{40}"),
    ("passphrase",    lambda: ids.srt_passphrase(RANDOM).reveal(),       r"[A-Za-z0-9]{69}"),
    ("stream key",    lambda: ids.stream_key_value("eu-west-1", RANDOM).reveal(),
     r"sk_eu-west-1_[A-Za-z0-9]{12}_[A-Za-z0-9]{30}"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "form"), [r[1:] for r in FORMS], ids=[r[0] for r in FORMS])
def test_every_id_has_its_form_and_is_new_each_time(make, form):
    made = {make() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(form, text) for text in made)


@given(st.integers(2, 64), st.integers(1, 40))
def test_pick_gives_the_length_asked_for_from_the_alphabet(size, length):
    alphabet = "".join(chr(48 + i) for i in range(size))

    picked = ids.pick(alphabet, length, RANDOM)

    assert len(picked) == length
    assert set(picked) <= set(alphabet)


def test_pick_throws_away_bytes_that_would_favour_the_first_characters():
    source = iter([bytes([255, 254, 253, 252]), bytes([1, 2, 0, 1])])

    assert ids.pick("abc", 2, lambda _: next(source)) == "cb"  # 254, 253; 255 is unfair
