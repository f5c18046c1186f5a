import fnmatch
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.glob import Wildcard, glob, pieces_of, split_pieces

MATCHES = [
    # pattern,        text,            does
    ("",              "",              True),
    ("",              "a",             False),
    ("*",             "",              True),
    ("*",             "any:thing/at",  True),
    ("?",             "",              False),
    ("?",             "a",             True),
    ("a*",            "a",             True),
    ("a*",            "ba",            False),
    ("*a",            "ba",            True),
    ("*a",            "ab",            False),
    ("a*c",           "abcbc",         True),
    ("a**c",          "ac",            True),
    ("a?c",           "ac",            False),
    ("a?c",           "a*c",           True),
    ("a[bc]",         "ab",            False),
    ("a.c",           "abc",           False),
    ("*ab?d*",        "xxabcabcdx",    True),
    ("*:channel/*",   "arn:aws:ivs:eu-west-1:1:channel/x", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "does"), MATCHES)
def test_matches(pattern, text, does):
    assert glob(pieces_of(pattern)).matches(text) is does


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab*?", max_size=8), text=st.text("ab", max_size=10))
def test_agrees_with_fnmatch(pattern, text):
    oracle = re.compile(fnmatch.translate(pattern))

    assert glob(pieces_of(pattern)).matches(text) is bool(oracle.match(text))


@settings(max_examples=60, deadline=None)
@given(text=st.text("a*?b", max_size=12))
def test_literal_pieces_hold_no_wildcards(text):
    assert glob([text]).matches(text)
    assert not glob([text]).matches(text.replace("*", "x").replace("?", "y") + "z")


@settings(max_examples=60, deadline=None)
@given(text=st.text("ab*?", max_size=12))
def test_pieces_are_the_text(text):
    pieces = pieces_of(text)

    assert "".join(p.value if isinstance(p, Wildcard) else p for p in pieces) == text
    assert "" not in pieces


HOSTILE = [
    ("many runs",  "*a" * 1000 + "b", "a" * 2000),
    ("many marks", "?*" * 1000 + "b", "a" * 2000),
    ("both",       "*?a" * 700 + "b", "a" * 2000),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), [r[1:] for r in HOSTILE], ids=[r[0] for r in HOSTILE])
def test_a_hostile_pattern_takes_one_step_a_character(pattern, text):
    # A backtracking matcher would not come back from any of these.
    assert not glob(pieces_of(pattern)).matches(text)


def test_pieces_are_split_at_literal_separators_only():
    pieces = ["arn:", Wildcard.RUN, ":c:d", Wildcard.ONE, "e:f"]

    assert split_pieces(pieces, ":", 6) == [
        ["arn"],
        ["", Wildcard.RUN, ""],
        ["c"],
        ["d", Wildcard.ONE, "e"],
        ["f"],
    ]
    assert split_pieces(["a:b:c"], ":", 2) == [["a"], ["b:c"]]
