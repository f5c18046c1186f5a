"""Condition operators, by the rows of IAM's documentation."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.conditions import OPERATORS, condition
from headwater.auth.template import PolicyError

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh"
K = "aws:key"

HOLDS = [
    # operator,                   policy's values,      request's values, does
    ("StringEquals",              ["a"],                ["a"],            True),
    ("StringEquals",              ["a", "b"],           ["b"],            True),
    ("StringEquals",              ["a"],                ["A"],            False),
    ("StringEquals",              ["a*"],               ["ab"],           False),
    ("StringEquals",              ["a"],                None,             False),
    ("StringEqualsIfExists",      ["a"],                None,             True),
    ("StringEqualsIfExists",      ["a"],                ["b"],            False),
    ("StringNotEquals",           ["a"],                ["b"],            True),
    ("StringNotEquals",           ["a"],                ["a"],            False),
    ("StringNotEquals",           ["a", "b"],           ["b"],            False),
    ("StringNotEquals",           ["a"],                None,             True),
    ("StringNotEqualsIfExists",   ["a"],                None,             True),
    ("StringEqualsIgnoreCase",    ["aB"],               ["Ab"],           True),
    ("StringEqualsIgnoreCase",    ["aB"],               ["b"],            False),
    ("StringNotEqualsIgnoreCase", ["aB"],               ["Ab"],           False),
    ("StringNotEqualsIgnoreCase", ["aB"],               None,             True),
    ("StringLike",                ["a*c?"],             ["abbcd"],        True),
    ("StringLike",                ["a*"],               ["b"],            False),
    ("StringLike",                ["*"],                None,             False),
    ("StringNotLike",             ["a*"],               ["b"],            True),
    ("StringNotLike",             ["a*"],               ["ab"],           False),
    ("StringNotLike",             ["a*"],               None,             True),
    ("ArnEquals",                 [ARN],                [ARN],            True),
    ("ArnLike",                   ["arn:aws:ivs:*:*:channel/*"], [ARN],   True),
    ("ArnLike",                   ["arn:aws:ivs:*:channel/*"],   [ARN],   False),
    ("ArnLike",                   ["arn:aws:ivs:*"],    [ARN],            False),
    ("ArnLike",                   ["arn:aws:ivs:us-????-2:*:*"], [ARN],   True),
    ("ArnLike",                   [ARN],                ["no arn"],       False),
    ("ArnNotEquals",              [ARN],                [ARN],            False),
    ("ArnNotLike",                ["arn:aws:s3:*:*:*"], [ARN],            True),
    ("ArnNotLike",                [ARN],                None,             True),
    ("NumericEquals",             ["10"],               ["10.0"],         True),
    ("NumericEquals",             ["10"],               ["ten"],          False),
    ("NumericNotEquals",          ["10"],               ["9"],            True),
    ("NumericNotEquals",          ["10"],               None,             True),
    ("NumericLessThan",           ["10"],               ["9.99"],         True),
    ("NumericLessThan",           ["10"],               ["10"],           False),
    ("NumericLessThanEquals",     ["10"],               ["10"],           True),
    ("NumericGreaterThan",        ["-1"],               ["0"],            True),
    ("NumericGreaterThanEquals",  ["10"],               ["9"],            False),
    ("NumericGreaterThan",        ["1"],                None,             False),
    ("DateEquals",                ["2030-01-01"],       ["2030-01-01T00:00:00Z"], True),
    ("DateEquals",                ["1893456000"],       ["2030-01-01T00:00:00Z"], True),
    ("DateEquals",                ["2030"],             ["1893456000"],   True),
    ("DateNotEquals",             ["2030-01"],          ["2030-01-02"],   True),
    ("DateLessThan",              ["2030-01-01T00:00:00Z"], ["2029-12-31T23:59:59Z"], True),
    ("DateLessThan",              ["2030-01-01T01:00:00+01:00"], ["2030-01-01T00:00:00Z"], False),
    ("DateLessThanEquals",        ["2030-01-01T01:00:00+01:00"], ["2030-01-01T00:00:00Z"], True),
    ("DateGreaterThan",           ["2030-01-01"],       ["2029-12-31T23:59:59Z"], False),
    ("DateGreaterThanEquals",     ["2030-01-01"],       ["2030-01-01T00:00:00Z"], True),
    ("DateLessThan",              ["2030-01-01"],       None,             False),
    ("DateLessThan",              ["2030-01-01"],       ["soon"],         False),
    ("Bool",                      ["true"],             ["true"],         True),
    ("Bool",                      ["True"],             ["false"],        False),
    ("Bool",                      ["false"],            None,             False),
    ("BoolIfExists",              ["false"],            None,             True),
    ("BinaryEquals",              [b64encode(b"\x01a").decode()], ["\x01a"], True),
    ("BinaryEquals",              [b64encode(b"a").decode()],     ["b"],  False),
    ("IpAddress",                 ["203.0.113.0/24"],   ["203.0.113.9"],  True),
    ("IpAddress",                 ["203.0.113.7"],      ["203.0.113.7"],  True),
    ("IpAddress",                 ["203.0.113.0/24"],   ["203.0.114.9"],  False),
    ("IpAddress",                 ["2001:db8::/32"],    ["2001:db8::7"],  True),
    ("IpAddress",                 ["2001:db8::/32"],    ["203.0.113.9"],  False),
    ("IpAddress",                 ["0.0.0.0/0"],        ["::1"],          False),
    ("IpAddress",                 ["0.0.0.0/0"],        ["no address"],   False),
    ("IpAddress",                 ["0.0.0.0/0"],        None,             False),
    ("NotIpAddress",              ["203.0.113.0/24"],   ["203.0.114.9"],  True),
    ("NotIpAddress",              ["203.0.113.0/24"],   ["203.0.113.9"],  False),
    ("NotIpAddress",              ["203.0.113.0/24"],   None,             True),
    ("Null",                      ["true"],             None,             True),
    ("Null",                      ["true"],             ["a"],            False),
    ("Null",                      ["false"],            ["a"],            True),
    ("Null",                      ["false"],            None,             False),
    ("ForAllValues:StringEquals", ["a", "b"],           ["a", "b"],       True),
    ("ForAllValues:StringEquals", ["a", "b"],           ["a", "c"],       False),
    ("ForAllValues:StringEquals", ["a"],                [],               True),
    ("ForAllValues:StringEquals", ["a"],                None,             True),
    ("ForAllValues:StringNotEquals", ["a"],             ["b", "c"],       True),
    ("ForAllValues:StringNotEquals", ["a"],             ["b", "a"],       False),
    ("ForAllValues:StringLike",   ["a*"],               ["ab", "ac"],     True),
    ("ForAnyValue:StringEquals",  ["a", "b"],           ["c", "b"],       True),
    ("ForAnyValue:StringEquals",  ["a"],                ["c"],            False),
    ("ForAnyValue:StringEquals",  ["a"],                None,             False),
    ("ForAnyValue:StringEqualsIfExists", ["a"],         None,             True),
    ("ForAnyValue:StringNotEquals", ["a"],              ["a", "b"],       True),
    ("ForAnyValue:StringNotEquals", ["a"],              ["a"],            False),
    ("ForAnyValue:StringNotEquals", ["a"],              None,             False),
    ("StringEquals",              ["a"],                ["b", "a"],       True),
    ("StringNotEquals",           ["a"],                ["b", "a"],       False),
    ("StringEquals",              ["${aws:username}"],  ["ana"],          True),
    ("StringLike",                ["${aws:username}/*"], ["ana/1"],       True),
    ("StringEqualsIgnoreCase",    ["${aws:username}"],  ["ANA"],          True),
    ("StringEquals",              ["${aws:none}"],      ["ana"],          False),
    ("StringNotEquals",           ["${aws:none}"],      ["ana"],          True),
    ("ArnLike",                   ["arn:aws:iam::*:user/${aws:username}"],
                                                        ["arn:aws:iam::1:user/ana"], True),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "wanted", "found", "does"), HOLDS)
def test_a_condition_holds_as_documented(operator, wanted, found, does):
    context = {"aws:username": ["ana"]} | ({} if found is None else {K: found})

    assert condition(operator, "AWS:Key", wanted, variables=True).holds(context) is does


def test_every_operator_is_in_the_table():
    assert {row[0].rpartition(":")[2].removesuffix("IfExists") for row in HOLDS} == {
        *OPERATORS,
        "Null",
    }


REFUSED = [
    ("StringEqual",            ["a"],          "is no condition operator"),
    ("stringequals",           ["a"],          "is no condition operator"),
    ("ForSomeValues:StringEquals", ["a"],      "is no condition operator"),
    ("NullIfExists",           ["true"],       "is no condition operator"),
    ("ForAnyValue:Null",       ["true"],       "is no condition operator"),
    ("Null",                   ["maybe"],      "true or false"),
    ("Null",                   ["true", "false"], "true or false"),
    ("Bool",                   ["1"],          "true or false"),
    ("NumericEquals",          ["ten"],        "must be a number"),
    ("NumericEquals",          ["NaN"],        "must be a number"),
    ("NumericEquals",          ["1e999999"],   "must be a number"),
    ("DateEquals",             ["2030-13-01"], "must be a date"),
    ("DateEquals",             ["tomorrow"],   "must be a date"),
    ("IpAddress",              ["300.0.0.1"],  "IPv4 or IPv6"),
    ("IpAddress",              ["10.0.0.0/33"], "IPv4 or IPv6"),
    ("BinaryEquals",           ["%%%"],        "base64"),
    ("StringLike",             ["${aws"],      "must begin a variable"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "values", "says"), REFUSED)
def test_refuses(operator, values, says):
    with pytest.raises(PolicyError, match=says):
        condition(operator, K, values, variables=True)


VALUES = st.lists(st.sampled_from(["a", "b", "ab", "A"]), max_size=3)


@settings(max_examples=200, deadline=None)
@given(wanted=VALUES.filter(bool), found=st.none() | VALUES.filter(bool))
@pytest.mark.parametrize(
    ("plain", "negated"),
    [
        ("StringEquals", "StringNotEquals"),
        ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        ("StringLike", "StringNotLike"),
        ("ArnLike", "ArnNotLike"),
    ],
)
def test_a_negated_operator_is_the_opposite(plain, negated, wanted, found):
    context = {} if found is None else {K: found}
    yes = condition(plain, K, wanted, variables=True)
    no = condition(negated, K, wanted, variables=True)

    assert yes.holds(context) is not no.holds(context)


@settings(max_examples=200, deadline=None)
@given(operator=st.sampled_from(sorted(OPERATORS)), found=st.text(max_size=30))
def test_any_value_of_a_request_is_compared_without_an_error(operator, found):
    for wanted in ("true", "1", "2030-01-01", "10.0.0.0/8", "YQ==", "a*"):
        try:
            one = condition(operator, K, [wanted], variables=True)
        except PolicyError:
            continue
        assert one.holds({K: [found]}) in {True, False}
