import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.events.pattern import (
    MAX_COMBINATIONS,
    MAX_DEPTH,
    MAX_PATTERN_CHARACTERS,
    Pattern,
)

CHANNEL = "arn:aws:ivs:us-west-2:000000000000:channel/AbCdEf1G2hIj"
EVENT = {
    "version": "0",
    "id": "01234567-0123-0123-0123-012345678901",
    "detail-type": "IVS Stream State Change",
    "source": "aws.ivs",
    "account": "000000000000",
    "time": "2026-11-23T22:19:05Z",
    "region": "us-west-2",
    "resources": [CHANNEL, "arn:other"],
    "detail": {
        "event_name": "Stream Start",
        "channel_name": "",
        "stream_id": "st-1AbCdEfGhIj",
        "code": None,
        "is_live": True,
        "viewers": 5,
        "seconds": 301.8,
        "ip": "192.0.2.44",
        "none": [],
        "renditions": [
            {"path": "720p30", "height": 720, "tags": ["hd", "main"]},
            {"path": "160p30", "height": 160},
        ],
        "grid": [[1, 2], [3, [4]]],
    },
}


def of_detail(**fields):
    return {"detail": fields}


def renditions(**fields):
    return of_detail(renditions=fields)


NESTED_OR = {
    "source": ["aws.ivs"],
    "$or": [
        {"region": ["eu-west-1"]},
        {"detail-type": [{"prefix": "IVS"}], "$or": [{"account": ["1"]}, {"version": ["0"]}]},
    ],
}
MATCHES = [
    # id,                              pattern,                                         does
    ("one field",                      {"source": ["aws.ivs"]},                         True),
    ("another value",                  {"source": ["aws.ec2"]},                         False),
    ("one of several",                 {"source": ["aws.ec2", "aws.ivs"]},              True),
    ("case matters",                   {"source": ["AWS.IVS"]},                         False),
    ("all fields",                     {"source": ["aws.ivs"], "region": ["us-west-2"]}, True),
    ("all but one",                    {"source": ["aws.ivs"], "region": ["eu"]},       False),
    ("nested",                         of_detail(event_name=["Stream Start"]),          True),
    ("nested, another",                of_detail(event_name=["Stream End"]),            False),
    ("a field that isn't there",       of_detail(nope=["x"]),                           False),
    ("an object that isn't there",     {"nope": {"a": ["x"]}},                          False),
    ("fields of a value",              {"source": {"a": ["x"]}},                        False),
    ("a value of an object",           {"detail": [{"prefix": ""}]},                    False),
    ("a list, one in common",          {"resources": [CHANNEL]},                        True),
    ("a list, none in common",         {"resources": ["arn:nope"]},                     False),
    ("a list, by prefix",              {"resources": [{"prefix": "arn:oth"}]},          True),
    ("a list, anything but one",       {"resources": [{"anything-but": CHANNEL}]},      True),
    ("a list, anything but all",       {"resources": [{"anything-but": [CHANNEL, "arn:other"]}]}, False),
    ("lists of lists",                 of_detail(grid=[4]),                             True),
    ("lists of lists, none",           of_detail(grid=[5]),                             False),
    ("empty text",                     of_detail(channel_name=[""]),                    True),
    ("empty text is not null",         of_detail(channel_name=[None]),                  False),
    ("null",                           of_detail(code=[None]),                          True),
    ("null is no text",                of_detail(code=["null"]),                        False),
    ("null is not empty text",         of_detail(code=[""]),                            False),
    ("null is not absent",             of_detail(code=[{"exists": False}]),             False),
    ("null exists",                    of_detail(code=[{"exists": True}]),              True),
    ("true",                           of_detail(is_live=[True]),                       True),
    ("true is no text",                of_detail(is_live=["true"]),                     False),
    ("true is not 1",                  of_detail(is_live=[1]),                          False),
    ("true is not false",              of_detail(is_live=[False]),                      False),
    ("a number",                       of_detail(viewers=[5]),                          True),
    ("a number, with a point",         of_detail(viewers=[5.0]),                        True),
    ("a number, as a power",           of_detail(seconds=[3.018e2]),                    True),
    ("a number is no text",            of_detail(viewers=["5"]),                        False),
    ("another number",                 of_detail(viewers=[6]),                          False),
    ("numeric",                        of_detail(viewers=[{"numeric": [">", 4, "<=", 5]}]), True),
    ("numeric or text",                of_detail(event_name=["a", {"numeric": ["=", 1]}, {"prefix": "Stream"}]), True),
    ("address",                        of_detail(ip=[{"cidr": "192.0.2.0/24"}]),        True),
    ("exists",                         of_detail(stream_id=[{"exists": True}]),         True),
    ("exists not",                     of_detail(nope=[{"exists": True}]),              False),
    ("absent",                         of_detail(nope=[{"exists": False}]),             True),
    ("absent with its object",         {"nope": {"a": [{"exists": False}]}},            True),
    ("not absent",                     of_detail(stream_id=[{"exists": False}]),        False),
    ("an object is no value",          {"detail": [{"exists": False}]},                 True),
    ("an object does not exist",       {"detail": [{"exists": True}]},                  False),
    ("an empty list is no value",      of_detail(none=[{"exists": False}]),             True),
    ("an empty list does not exist",   of_detail(none=[{"exists": True}]),              False),
    ("absent or a value, it is there", of_detail(viewers=[5, {"exists": False}]),       True),
    ("absent or another value",        of_detail(viewers=[6, {"exists": False}]),       False),
    ("absent or a value, it isn't",    of_detail(nope=[6, {"exists": False}]),          True),
    ("absent is not anything but",     of_detail(nope=[{"anything-but": "x"}]),         False),
    ("objects in a list",              renditions(path=["160p30"]),                     True),
    ("one object has both",            renditions(path=["160p30"], height=[160]),       True),
    ("two objects have one each",      renditions(path=["160p30"], height=[720]),       False),
    ("a list in an object in a list",  renditions(path=["720p30"], tags=["main"]),      True),
    ("absent in all objects",          renditions(nope=[{"exists": False}]),            True),
    ("absent in one object only",      renditions(tags=[{"exists": False}]),            False),
    ("absent in the one that matches", renditions(path=["160p30"], tags=[{"exists": False}]), True),
    ("present in the one that matches", renditions(path=["720p30"], tags=[{"exists": False}]), False),
    ("either field",                   {"$or": [{"source": ["x"]}, {"region": ["us-west-2"]}]}, True),
    ("neither field",                  {"$or": [{"source": ["x"]}, {"region": ["x"]}]}, False),
    ("either, and one that isn't",     {"id": ["x"], "$or": [{"source": ["aws.ivs"]}, {"region": ["x"]}]}, False),
    ("either, nested",                 of_detail(**{"$or": [{"viewers": [6]}, {"code": [None]}]}), True),
    ("either of whole objects",        {"$or": [of_detail(viewers=[6]), of_detail(viewers=[5])]}, True),
    ("either in either",               NESTED_OR,                                       True),
    ("either is absent",               {"$or": [{"nope": [{"exists": False}]}, {"id": ["x"]}]}, True),
    ("either, of objects in a list",   renditions(**{"$or": [{"height": [160]}, {"height": [1]}], "path": ["720p30"]}), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "does"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES]
)
def test_an_event_matches_or_not(pattern, does):
    assert Pattern.parse(pattern).matches(EVENT) is does
    assert Pattern.parse(json.dumps(pattern)).matches(EVENT) is does


def alternatives(count, field="source"):
    return [{field: [str(number)]} for number in range(count)]


def deep(levels):
    value = {"a": ["x"]}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


MANY = {"$or": alternatives(4), "a": {"$or": alternatives(25)}, "b": {"$or": alternatives(10)}}
FEWER = {**MANY, "b": {"$or": alternatives(11)}}
LISTS = "must be a list of values, or an object of fields, not"
MALFORMED = [
    # id,                         pattern,                            error
    ("no JSON",                   "{",                                "an event pattern must be JSON: Input data was truncated"),
    ("a list",                    [],                                 "an event pattern must be an object, not a list"),
    ("text",                      '"x"',                              'an event pattern must be an object, not "x"'),
    ("null",                      "null",                             "an event pattern must be an object, not null"),
    ("no field",                  {},                                 "an event pattern must name a field: {} matches nothing"),
    ("no field, nested",          {"detail": {}},                     "detail must name a field: {} matches nothing"),
    ("text for a list",           {"detail": {"a": "x"}},             f'detail.a {LISTS} "x"'),
    ("null for a list",           {"a": None},                        f"a {LISTS} null"),
    ("number for a list",         {"a": 5},                           f"a {LISTS} 5"),
    ("an empty list",             {"a": []},                          'a must not be an empty list; empty text is written [""]'),
    ("a list in a list",          {"a": ["x", ["y"]]},                "a[1] must be text, a number, true, false, null or an object"),
    ("an unknown comparison",     {"a": ["x", {"like": "y"}]},
     "a[1].like is no comparison; there are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists and cidr"),
    ("a comparison's error",      of_detail(a=[{"prefix": 1}]),       "detail.a[0].prefix must be text, not 1"),
    ("a choice of none",          {"$or": []},                        "$or must be a list of at least two objects"),
    ("a choice of one",           {"$or": [{"a": ["x"]}]},            "$or must be a list of at least two objects"),
    ("a choice that is no list",  of_detail(**{"$or": {"a": ["x"]}}), "detail.$or must be a list of at least two objects"),
    ("a choice of a text",        {"$or": [{"a": ["x"]}, "y"]},       '$or[1] must be an object of fields, not "y"'),
    ("a choice of nothing",       {"$or": [{"a": ["x"]}, {}]},        "$or[1] must name a field: {} matches nothing"),
    ("a choice of comparisons",   {"$or": [{"a": ["x"]}, {"prefix": ["x"]}]}, "$or[1] must name fields; prefix is a comparison"),
    ("an error in a choice",      {"$or": [{"a": ["x"]}, {"b": {"c": []}}]},
     '$or[1].b.c must not be an empty list; empty text is written [""]'),
    ("no number",                 {"a": [float("nan")]},              "an event pattern must be JSON: JSON is malformed: invalid character (byte 6)"),
    ("what JSON hasn't",          {"a": [b"x"]},                      "an event pattern must be JSON"),
    ("half a character",          {"a": ["\ud800"]},                  "an event pattern must be JSON: it holds half a character"),
    ("too deep",                  deep(MAX_DEPTH + 1),                ".".join(["a"] * MAX_DEPTH) + f": an event pattern has at most {MAX_DEPTH} levels"),
    ("too many combinations",     FEWER,
     f"the alternatives of $or make 1100 combinations, more than the {MAX_COMBINATIONS} allowed"),
    ("too long",                  {"a": ["x" * MAX_PATTERN_CHARACTERS]}, "an event pattern has at most 2048 characters, not 2058"),
    ("too long a text",           " " * 2049,                         "an event pattern has at most 2048 characters, not 2049"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "error"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_the_error_names_the_field_and_what_is_allowed(pattern, error):
    with pytest.raises(PeerError) as raised:
        Pattern.parse(pattern)

    assert str(raised.value) == error


@pytest.mark.parametrize(
    "pattern",
    [deep(MAX_DEPTH), MANY, {"a": ["é" * (MAX_PATTERN_CHARACTERS - 10)]}],
    ids=["depth", "combinations", "length"],
)
def test_what_is_just_within_a_bound_is_taken(pattern):
    assert not Pattern.parse(pattern).matches(EVENT)


@pytest.mark.parametrize("text", ["[" * 2048, '{"a":' * 400, '{"a":[' * 340])
def test_what_is_nested_without_end_is_refused(text):
    with pytest.raises(PeerError):
        Pattern.parse(text)


def test_what_nests_without_end_is_no_json():
    endless = {}
    endless["a"] = endless

    with pytest.raises(PeerError):
        Pattern.parse(endless)


def test_combinations_of_nested_choices_add_up():
    inner = {"$or": alternatives(6)}
    pattern = {"$or": [{"a": inner}, {"b": inner, "$or": alternatives(2)}]}  # 6 + 12

    assert Pattern.parse(pattern)
    with pytest.raises(LimitError, match="1008 combinations"):
        Pattern.parse({"x": pattern, "y": {"$or": alternatives(56)}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
LEAVES = st.sampled_from([
    "x", 1, True, None, {"exists": False}, {"exists": True}, {"prefix": "x"}, {"cidr": "::/0"},
    {"numeric": ["<", 5]}, {"numeric": ["<", "5"]}, {"anything-but": ["x"]}, {"anything-but": [None]},
    {"wildcard": "*x"}, {"wildcard": "**"}, {"suffix": {"equals-ignore-case": "X"}}, [], {},
])  # fmt: skip
NAMES = st.sampled_from(["a", "b", "$or", "prefix"])
PATTERNS = st.recursive(
    st.lists(LEAVES, max_size=3),
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.lists(st.dictionaries(NAMES, inner, max_size=2), max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        st.sampled_from(["x", "y", 1, 7, True, None, "::1"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=6,
    ),
)


@settings(max_examples=300, deadline=None)
@given(pattern=JSON | PATTERNS, event=EVENTS)
def test_any_json_gives_a_pattern_or_a_peer_error(pattern, event):
    try:
        parsed = Pattern.parse(pattern)
    except PeerError:
        return
    assert parsed.matches(event) in {True, False}


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=50))
def test_any_text_gives_a_pattern_or_a_peer_error(text):
    with contextlib.suppress(PeerError):
        Pattern.parse(text)


def naive(pattern, event):
    """As the user guide tells it, for events without lists of objects."""
    for name, value in pattern.items():
        if name == "$or":
            if not any(naive(branch, event) for branch in value):
                return False
        elif isinstance(value, dict):
            inner = event.get(name)
            if not naive(value, inner if isinstance(inner, dict) else {}):
                return False
        elif not naive_leaf(value, event.get(name, [])):
            return False
    return True


def naive_leaf(wanted, found):
    values = [] if isinstance(found, dict) else found if isinstance(found, list) else [found]
    if not values:
        return {"exists": False} in wanted
    return any(
        each == want and type(each) is type(want)
        for each in values
        for want in [*wanted, *(values if {"exists": True} in wanted else [])]
        if not isinstance(want, dict)
    )


FIELDS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["x", "y", 1, True, False, None])
SOUND_LEAVES = st.lists(
    VALUES | st.sampled_from([{"exists": True}, {"exists": False}]), min_size=1, max_size=2
)
SOUND = st.recursive(
    st.dictionaries(FIELDS, SOUND_LEAVES, min_size=1, max_size=2),
    lambda inner: (
        st.dictionaries(FIELDS, inner | SOUND_LEAVES, min_size=1, max_size=2)
        | st.builds(
            lambda one, two: {**one, "$or": two}, inner, st.lists(inner, min_size=2, max_size=2)
        )
    ),
    max_leaves=5,
)
SIMPLE_EVENTS = st.recursive(
    st.dictionaries(FIELDS, VALUES | st.lists(VALUES, max_size=2), max_size=3),
    lambda inner: st.dictionaries(FIELDS, inner | VALUES, max_size=3),
    max_leaves=4,
)


@settings(max_examples=250, deadline=None)
@given(pattern=SOUND, event=SIMPLE_EVENTS)
def test_agrees_with_the_rules_told_plainly(pattern, event):
    assert Pattern.parse(pattern).matches(event) is naive(pattern, event)
