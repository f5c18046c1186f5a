import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.api.errors import ValidationError
from headwater.api.pagination import PageTokens, cut
from headwater.store.records import Position

TOKENS = PageTokens(b"secret")
LIST = ("ListChannels", "123456789012", "eu-west-1", "filterByName", "a")
POSITIONS = st.builds(
    Position,
    created_at_ms=st.integers(0, 10**15),
    id=st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=26),
)


@given(position=POSITIONS)
def test_reads_what_it_wrote(position):
    token = TOKENS.write(position, LIST)

    assert TOKENS.read(token, LIST) == position
    assert re.fullmatch("[a-zA-Z0-9+/=_-]{1,1024}", token)


def test_an_empty_token_is_the_first_page():
    assert TOKENS.read("", LIST) is None


FOREIGN = [
    ("another operation", ("ListStreams", *LIST[1:])),
    ("another account", (LIST[0], "210987654321", *LIST[2:])),
    ("another region", (*LIST[:2], "us-east-1", *LIST[3:])),
    ("another filter", (*LIST[:4], "b")),
    ("no filter", LIST[:3]),
    ("parts joined otherwise", (*LIST[:3], "filterByNam", "ea")),
]


@pytest.mark.parametrize("list_id", [row[1] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
def test_refuses_a_token_of_another_list(list_id):
    token = TOKENS.write(Position(1, "a"), LIST)

    with pytest.raises(ValidationError, match=r"^List[A-Za-z]+\.nextToken must be"):
        TOKENS.read(token, list_id)


def test_refuses_a_token_of_another_secret():
    token = PageTokens(b"another").write(Position(1, "a"), LIST)

    with pytest.raises(ValidationError):
        TOKENS.read(token, LIST)


@given(data=st.data())
def test_refuses_a_token_with_one_character_changed(data):
    token = TOKENS.write(Position(1, "abc"), LIST)
    at = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.sampled_from("aZ09-_=+/").filter(lambda char: char != token[at]))

    with pytest.raises(ValidationError):
        TOKENS.read(token[:at] + char + token[at + 1 :], LIST)


@given(data=st.data())
def test_refuses_a_token_with_characters_put_in(data):
    token = TOKENS.write(Position(1, "abc"), LIST)
    at = data.draw(st.integers(0, len(token)))
    stray = data.draw(st.text("aZ09-_=+/\n", min_size=1, max_size=3))

    with pytest.raises(ValidationError):
        TOKENS.read(token[:at] + stray + token[at:], LIST)


@given(token=st.text(string.ascii_letters + string.digits + "+/=_-", min_size=1, max_size=60))
def test_refuses_any_other_text(token):
    with pytest.raises(ValidationError):
        TOKENS.read(token, LIST)


def position_of(item):
    return Position(item, str(item))


CUTS = [
    # id,              items,     limit, page,      behind
    ("nothing",        [],        2,     [],        None),
    ("fewer",          [1],       2,     [1],       None),
    ("just as many",   [1, 2],    2,     [1, 2],    None),
    ("one more",       [1, 2, 3], 2,     [1, 2],    Position(2, "2")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "limit", "page", "behind"), [row[1:] for row in CUTS], ids=[row[0] for row in CUTS]
)
def test_cuts_a_page(items, limit, page, behind):
    assert cut(items, limit, position_of) == (page, behind)
