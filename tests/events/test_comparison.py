import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import PeerError
from headwater.events.comparison import MAX_QUOTED, parse_comparison, quoted

ANYTHING_BUT_TWO = {"anything-but": ["stopped", "overloaded"]}
NUMBERS_BUT = {"anything-but": [100, 200, 300]}
RANGE = {"numeric": [">", 0, "<=", 5]}
V4, V6 = {"cidr": "10.0.0.0/24"}, {"cidr": "2001:db8::/32"}
PATHS_BUT = {"anything-but": {"wildcard": ["*/bin/*.jar", "*/bin/*.class"]}}

TESTS = [
    # comparison,                                  value,                 is meant
    ({"prefix": "2017-10-02"},                     "2017-10-02T18:43Z",   True),
    ({"prefix": "2017-10-02"},                     "on 2017-10-02",       False),
    ({"prefix": "st-"},                            "ST-1",                False),
    ({"prefix": ""},                               "any",                 True),
    ({"prefix": "1"},                              12,                    False),
    ({"prefix": {"equals-ignore-case": "EventB"}}, "eventbridge",         True),
    ({"prefix": {"equals-ignore-case": "EventB"}}, "an eventb",           False),
    ({"prefix": {"equals-ignore-case": "n"}},      None,                  False),
    ({"suffix": ".png"},                           "a.png",               True),
    ({"suffix": ".png"},                           "a.PNG",               False),
    ({"suffix": "0"},                              10,                    False),
    ({"suffix": {"equals-ignore-case": ".png"}},   "a.PNG",               True),
    ({"suffix": {"equals-ignore-case": ".png"}},   "a.PNG.gz",            False),
    ({"suffix": {"equals-ignore-case": "e"}},      True,                  False),
    ({"equals-ignore-case": "Stream Start"},       "STREAM START",        True),
    ({"equals-ignore-case": "straße"},             "STRASSE",             True),
    ({"equals-ignore-case": "Stream Start"},       "Stream Starts",       False),
    ({"equals-ignore-case": "true"},               True,                  False),

    ({"wildcard": "dir/*.png"},                    "dir/a/b.png",         True),
    ({"wildcard": "dir/*.png"},                    "dir/.png",            True),
    ({"wildcard": "dir/*.png"},                    "a/dir/b.png",         False),
    ({"wildcard": "*:channel/*"},                  "arn:aws:ivs:eu-west-1:1:channel/a", True),
    ({"wildcard": "a?c"},                          "abc",                 False),
    ({"wildcard": "a?c"},                          "a?c",                 True),
    ({"wildcard": "a\\*c"},                        "a*c",                 True),
    ({"wildcard": "a\\*c"},                        "abc",                 False),
    ({"wildcard": "a\\\\*"},                       "a\\b",                True),
    ({"wildcard": "*\\**"},                        "2 * 3",               True),
    ({"wildcard": "*\\**"},                        "2 x 3",               False),
    ({"wildcard": "plain"},                        "plain",               True),
    ({"wildcard": "*"},                            "",                    True),
    ({"wildcard": "*"},                            5,                     False),

    ({"anything-but": "initializing"},             "running",             True),
    ({"anything-but": "initializing"},             "initializing",        False),
    ({"anything-but": "initializing"},             "Initializing",        True),
    ({"anything-but": "initializing"},             None,                  True),
    ({"anything-but": "5"},                        5,                     True),
    (ANYTHING_BUT_TWO,                             "running",             True),
    (ANYTHING_BUT_TWO,                             "overloaded",          False),
    (NUMBERS_BUT,                                  200.0,                 False),
    (NUMBERS_BUT,                                  201,                   True),
    (NUMBERS_BUT,                                  "200",                 True),
    ({"anything-but": 1},                          True,                  True),
    ({"anything-but": 1},                          1,                     False),
    ({"anything-but": {"prefix": "us-"}},          "eu-west-1",           True),
    ({"anything-but": {"prefix": "us-"}},          "us-east-1",           False),
    ({"anything-but": {"prefix": "us-"}},          7,                     True),
    ({"anything-but": {"prefix": ["us-", "eu-"]}}, "eu-west-1",           False),
    ({"anything-but": {"prefix": ["us-", "eu-"]}}, "ap-east-1",           True),
    ({"anything-but": {"suffix": ".png"}},         "a.png",               False),
    ({"anything-but": {"suffix": [".a", ".b"]}},   "x.c",                 True),
    ({"anything-but": {"equals-ignore-case": "initializing"}}, "INITIALIZING", False),
    ({"anything-but": {"equals-ignore-case": ["a", "b"]}},     "c",            True),
    ({"anything-but": {"wildcard": "*/lib/*"}},    "/usr/lib/a",          False),
    ({"anything-but": {"wildcard": "*/lib/*"}},    "/usr/bin/a",          True),
    (PATHS_BUT,                                    "/a/bin/b.class",      False),
    (PATHS_BUT,                                    "/a/bin/b.py",         True),

    ({"numeric": ["=", 301.8]},                    3.018e2,               True),
    ({"numeric": ["=", 5]},                        5.0,                   True),
    ({"numeric": ["=", 5]},                        "5",                   False),
    ({"numeric": ["=", 1]},                        True,                  False),
    ({"numeric": ["=", 5]},                        None,                  False),
    ({"numeric": ["<", 10]},                       9.99,                  True),
    ({"numeric": ["<", 10]},                       10,                    False),
    ({"numeric": ["<=", 10]},                      10,                    True),
    ({"numeric": [">", -5e9]},                     -5e9,                  False),
    ({"numeric": [">=", -5e9]},                    -5e9,                  True),
    ({"numeric": ["<=", 5000000000]},              5e9,                   True),
    ({"numeric": [">", 10]},                       1e300,                 True),
    (RANGE,                                        0,                     False),
    (RANGE,                                        0.001,                 True),
    (RANGE,                                        5,                     True),
    (RANGE,                                        5.001,                 False),
    ({"numeric": [">=", 0, "<", 5]},               0,                     True),
    ({"numeric": [">=", 0, "<", 5]},               5,                     False),
    (RANGE,                                        False,                 False),

    ({"exists": True},                             "x",                   True),
    ({"exists": True},                             None,                  True),
    ({"exists": True},                             "",                    True),

    (V4,                                           "10.0.0.255",          True),
    (V4,                                           "10.0.1.0",            False),
    (V4,                                           "2001:db8::1",         False),
    (V4,                                           "a host",              False),
    (V4,                                           167772161,             False),
    (V6,                                           "2001:DB8:0:0::1",     True),
    (V6,                                           "2001:db9::1",         False),
    (V6,                                           "10.0.0.1",            False),
    ({"cidr": "10.0.0.7/24"},                      "10.0.0.8",            True),
    ({"cidr": "0.0.0.0/0"},                        "192.0.2.1",           True),
    ({"cidr": "192.0.2.1/32"},                     "192.0.2.1",           True),
]  # fmt: skip


@pytest.mark.parametrize(("comparison", "value", "is_meant"), TESTS)
def test_a_value_passes_what_is_meant(comparison, value, is_meant):
    assert parse_comparison("f", comparison)(value) is is_meant


def test_no_value_passes_what_must_not_exist():
    assert parse_comparison("f", {"exists": False}) is None


LIST = "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists and cidr"
NUMERIC = (
    'f.numeric must be a list of =, <, <=, > or >= and a number, e.g. [">", 5], '
    'or of two that make a range, e.g. [">=", 0, "<", 5]'
)
NEGATED = "f.anything-but"
FOLDED = {"equals-ignore-case": "a", "prefix": "b"}
IS_VALUES = (
    f"{NEGATED} must be text, a number, or a list of only texts or only numbers; "
    "or an object with one of prefix, suffix, equals-ignore-case and wildcard"
)
ADDRESSES = "f.cidr must be a range of addresses such as 10.0.0.0/24 or 2001:db8::/32, not "
ONE = "members; it takes exactly one: "
MALFORMED = [
    # comparison,                           error
    ({},                                    f"f has 0 {ONE}one of {LIST}"),
    ({"prefix": "a", "suffix": "b"},        f"f has 2 {ONE}one of {LIST}"),
    ({"regex": "a"},                        f"f.regex is no comparison; there are {LIST}"),
    ({"prefix/equals-ignore-case": "a"},    f"f.prefix/equals-ignore-case is no comparison; there are {LIST}"),
    ({"prefix": 5},                         "f.prefix must be text, not 5"),
    ({"suffix": None},                      "f.suffix must be text, not null"),
    ({"suffix": ["a"]},                     "f.suffix must be text, not a list"),
    ({"prefix": {"wildcard": "a"}},         'f.prefix takes text or equals-ignore-case, not "wildcard"'),
    ({"prefix": FOLDED},                    f"f.prefix has 2 {ONE}equals-ignore-case"),
    ({"suffix": {"equals-ignore-case": 1}}, "f.suffix.equals-ignore-case must be text, not 1"),
    ({"equals-ignore-case": True},          "f.equals-ignore-case must be text, not true"),
    ({"equals-ignore-case": {}},            "f.equals-ignore-case must be text, not an object"),
    ({"wildcard": 1.5},                     "f.wildcard must be text, not 1.5"),
    ({"wildcard": "a**"},                   "f.wildcard: two wildcards in a row are not allowed"),
    ({"wildcard": "a\\b"},                  "f.wildcard: a backslash must be followed by * or by another backslash"),
    ({"wildcard": "a\\"},                   "f.wildcard: a backslash must be followed by * or by another backslash"),
    ({"exists": "true"},                    'f.exists must be true or false, not "true"'),
    ({"exists": 1},                         "f.exists must be true or false, not 1"),
    ({"anything-but": []},                  f"{NEGATED} must not be empty"),
    ({"anything-but": None},                IS_VALUES),
    ({"anything-but": True},                IS_VALUES),
    ({"anything-but": ["a", 1]},            IS_VALUES),
    ({"anything-but": [1, True]},           IS_VALUES),
    ({"anything-but": [["a"]]},             IS_VALUES),
    ({"anything-but": [{"prefix": "a"}]},   IS_VALUES),
    ({"anything-but": {}},                  f"{NEGATED} has 0 {ONE}one of prefix, suffix, equals-ignore-case and wildcard"),
    ({"anything-but": {"numeric": ["<", 5]}},
     f'{NEGATED} takes prefix, suffix, equals-ignore-case and wildcard, not "numeric"'),
    ({"anything-but": {"prefix": ""}},      f"{NEGATED}.prefix must not be empty text: nothing would match"),
    ({"anything-but": {"suffix": ["a", ""]}}, f"{NEGATED}.suffix must not be empty text: nothing would match"),
    ({"anything-but": {"prefix": []}},      f"{NEGATED}.prefix must not be empty"),
    ({"anything-but": {"prefix": {"equals-ignore-case": "a"}}}, f"{NEGATED}.prefix must be text, not an object"),
    ({"anything-but": {"wildcard": ["a", 1]}}, f"{NEGATED}.wildcard must be text, not 1"),
    ({"anything-but": {"wildcard": "**"}},  f"{NEGATED}.wildcard: two wildcards in a row are not allowed"),
    ({"numeric": 5},                        NUMERIC),
    ({"numeric": []},                       NUMERIC),
    ({"numeric": ["="]},                    NUMERIC),
    ({"numeric": ["!=", 5]},                NUMERIC),
    ({"numeric": [5, "="]},                 NUMERIC),
    ({"numeric": ["<", 5, ">", 0]},         NUMERIC),
    ({"numeric": [">", 0, "="]},            NUMERIC),
    ({"numeric": [">", 0, "<", 5, "<", 6]}, NUMERIC),
    ({"numeric": [["="], 5]},               NUMERIC),
    ({"numeric": ["=", "5"]},               'f.numeric: "5" is no number'),
    ({"numeric": ["<", True]},              "f.numeric: true is no number"),
    ({"numeric": [">", None, "<", 5]},      "f.numeric: null is no number"),
    ({"numeric": [">", 5, "<", 5]},         "f.numeric: the lower bound must be below the upper"),
    ({"numeric": [">=", 6, "<=", 5]},       "f.numeric: the lower bound must be below the upper"),
    ({"numeric": ["=", 5_000_000_001]},     "f.numeric: 5000000001 is not between -5,000,000,000 and 5,000,000,000"),
    ({"numeric": ["=", float("nan")]},      "f.numeric: nan is not between -5,000,000,000 and 5,000,000,000"),
    ({"cidr": "10.0.0.0"},                  ADDRESSES + '"10.0.0.0"'),
    ({"cidr": "10.0.0.0/33"},               ADDRESSES + '"10.0.0.0/33"'),
    ({"cidr": "host/8"},                    ADDRESSES + '"host/8"'),
    ({"cidr": "10.0.0.0/-1"},               ADDRESSES + '"10.0.0.0/-1"'),
    ({"cidr": 10},                          ADDRESSES + "10"),
]  # fmt: skip


@pytest.mark.parametrize(("comparison", "error"), MALFORMED)
def test_the_error_says_where_and_what_is_allowed(comparison, error):
    with pytest.raises(PeerError) as raised:
        parse_comparison("f", comparison)

    assert str(raised.value) == error


def test_a_long_text_is_cut_in_an_error():
    assert quoted("x" * 1000) == '"' + "x" * (MAX_QUOTED - 1) + "..."


@settings(max_examples=300, deadline=None)
@given(
    pattern=st.text("ab*", max_size=8).filter(lambda text: "**" not in text),
    text=st.text("abA", max_size=10),
)
def test_wildcards_agree_with_fnmatch(pattern, text):
    assert parse_comparison("f", {"wildcard": pattern})(text) is fnmatch.fnmatchcase(text, pattern)


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab*\\", max_size=8))
def test_an_escaped_text_matches_itself_only(text):
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")
    test = parse_comparison("f", {"wildcard": escaped})

    assert test(text)
    assert not test(text + "a")
