"""Policies: how documents are read, and what they decide together."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.policy import MAX_POLICY_CHARACTERS, Decision, decide, parse_policy
from headwater.auth.template import PolicyError

CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
OTHER = "arn:aws:ivs:eu-west-1:123456789012:channel/other0000000"
KEY = "arn:aws:ivs:eu-west-1:123456789012:stream-key/abcdABCDefgh"
ALL = "arn:aws:ivs:eu-west-1:123456789012:channel/*"
GET, CREATE, UNTAG = "ivs:GetChannel", "ivs:CreateChannel", "ivs:UntagResource"


def allow(action="ivs:*", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="ivs:*", resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def policy(*statements, version="2012-10-17"):
    return parse_policy(json.dumps({"Version": version, "Statement": list(statements)}))


TAGGED = {"aws:resourcetag/team": ["live"]}
REQUESTED = {"aws:requesttag/team": ["live"], "aws:tagkeys": ["team"]}
LIVE_ONLY = {"StringEquals": {"aws:ResourceTag/Team": "live"}}
MUST_TAG = {"StringEquals": {"aws:RequestTag/team": ["live", "test"]}}
ONLY_TEAM = {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}
NOT_ACTION = {"Effect": "Allow", "NotAction": "ivs:Delete*", "Resource": "*"}
NOT_RESOURCE = {"Effect": "Allow", "Action": "ivs:*", "NotResource": OTHER}

DECISIONS = [
    # id,                                  statements,                            action, resource, context, allowed
    ("nothing attached",                   [],                                    GET,    CHANNEL,  {}, False),
    ("all",                                [allow("*")],                          GET,    CHANNEL,  {}, True),
    ("the service's",                      [allow("ivs:*")],                      GET,    CHANNEL,  {}, True),
    ("another service's",                  [allow("s3:*")],                       GET,    CHANNEL,  {}, False),
    ("by name",                            [allow("ivs:GetChannel")],             GET,    CHANNEL,  {}, True),
    ("another name",                       [allow("ivs:GetStream")],              GET,    CHANNEL,  {}, False),
    ("a part of the name",                 [allow("ivs:Get")],                    GET,    CHANNEL,  {}, False),
    ("a list of names",                    [allow(["ivs:GetStream", GET])],       GET,    CHANNEL,  {}, True),
    ("wildcard in the name",               [allow("ivs:Get*")],                   GET,    CHANNEL,  {}, True),
    ("question mark",                      [allow("ivs:GetChanne?")],             GET,    CHANNEL,  {}, True),
    ("case of an action does not matter",  [allow("IVS:getchannel")],             GET,    CHANNEL,  {}, True),
    ("UnTagResource, as some write it",    [allow("ivs:UnTagResource")],          UNTAG,  CHANNEL,  {}, True),
    ("not that action",                    [NOT_ACTION],                          GET,    CHANNEL,  {}, True),
    ("not that action, which it is",       [NOT_ACTION],                          "ivs:DeleteChannel", CHANNEL, {}, False),
    ("on that resource",                   [allow(resource=CHANNEL)],             GET,    CHANNEL,  {}, True),
    ("on another resource",                [allow(resource=OTHER)],               GET,    CHANNEL,  {}, False),
    ("on one of several",                  [allow(resource=[OTHER, CHANNEL])],    GET,    CHANNEL,  {}, True),
    ("on a type",                          [allow(resource="arn:aws:ivs:*:*:channel/*")], GET, CHANNEL, {}, True),
    ("on another type",                    [allow(resource="arn:aws:ivs:*:*:channel/*")], GET, KEY, {}, False),
    ("a wildcard runs over colons",        [allow(resource="arn:aws:ivs:*")],     GET,    CHANNEL,  {}, True),
    ("in another region",                  [allow(resource="arn:aws:ivs:us-east-1:*")], GET, CHANNEL, {}, False),
    ("case of a resource matters",         [allow(resource=CHANNEL.upper().replace("ARN:AWS:IVS", "arn:aws:ivs"))], GET, CHANNEL, {}, False),
    ("a create, on all of a type",         [allow(resource=ALL)],                 CREATE, ALL,      {}, True),
    ("a create, on one only",              [allow(resource=CHANNEL)],             CREATE, ALL,      {}, False),
    ("not that resource",                  [NOT_RESOURCE],                        GET,    CHANNEL,  {}, True),
    ("not that resource, which it is",     [NOT_RESOURCE],                        GET,    OTHER,    {}, False),
    ("deny wins",                          [allow(), deny(GET)],                  GET,    CHANNEL,  {}, False),
    ("deny wins, said first",              [deny(GET), allow()],                  GET,    CHANNEL,  {}, False),
    ("deny of something else",             [allow(), deny(CREATE)],               GET,    CHANNEL,  {}, True),
    ("deny alone",                         [deny()],                              GET,    CHANNEL,  {}, False),
    ("resource tag",                       [allow(Condition=LIVE_ONLY)],          GET,    CHANNEL,  TAGGED, True),
    ("resource tag missing",               [allow(Condition=LIVE_ONLY)],          GET,    CHANNEL,  {}, False),
    ("request tag",                        [allow(Condition=MUST_TAG)],           CREATE, ALL,      REQUESTED, True),
    ("request tag missing",                [allow(Condition=MUST_TAG)],           CREATE, ALL,      {}, False),
    ("only those tag keys",                [allow(Condition=ONLY_TEAM)],          CREATE, ALL,      REQUESTED, True),
    ("only those tag keys, none sent",     [allow(Condition=ONLY_TEAM)],          CREATE, ALL,      {}, True),
    ("only those tag keys, one more sent", [allow(Condition=ONLY_TEAM)],          CREATE, ALL,      {"aws:tagkeys": ["team", "x"]}, False),
    ("all conditions must hold",           [allow(Condition={**LIVE_ONLY, **MUST_TAG})], GET, CHANNEL, TAGGED, False),
    ("all keys of an operator must hold",  [allow(Condition={"StringEquals": {"aws:a": "1", "aws:b": "1"}})], GET, CHANNEL, {"aws:a": ["1"]}, False),
    ("deny unless tagged",                 [allow(), deny(Condition={"StringNotEquals": {"aws:ResourceTag/team": "live"}})], GET, CHANNEL, {}, False),
    ("deny unless tagged, it is",          [allow(), deny(Condition={"StringNotEquals": {"aws:ResourceTag/team": "live"}})], GET, CHANNEL, TAGGED, True),
    ("a variable in the resource",         [allow(resource="arn:aws:ivs:*:*:channel/${aws:username}")], GET, CHANNEL, {"aws:username": ["abcdABCDefgh"]}, True),
    ("a variable of another",              [allow(resource="arn:aws:ivs:*:*:channel/${aws:username}")], GET, CHANNEL, {"aws:username": ["bob"]}, False),
    ("a variable without a value",         [allow(resource="arn:aws:ivs:*:*:channel/${aws:username}")], GET, CHANNEL, {}, False),
    ("tags that must be equal",            [allow(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})], GET, CHANNEL, TAGGED | {"aws:principaltag/team": ["live"]}, True),
    ("a boolean in JSON",                  [allow(Condition={"Bool": {"aws:SecureTransport": True}})], GET, CHANNEL, {"aws:securetransport": ["true"]}, True),
    ("a number in JSON",                   [allow(Condition={"NumericLessThan": {"aws:n": 10.5}})], GET, CHANNEL, {"aws:n": ["10"]}, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "action", "resource", "context", "allowed"),
    [row[1:] for row in DECISIONS],
    ids=[row[0] for row in DECISIONS],
)
def test_decides(statements, action, resource, context, allowed):
    policies = [policy(*statements)] if statements else []
    # It makes no difference whether statements stand in one policy or in several.
    apart = [policy(statement) for statement in statements]

    assert (decide(policies, action, resource, context) is Decision.ALLOWED) is allowed
    assert (decide(apart, action, resource, context) is Decision.ALLOWED) is allowed


def test_a_denial_says_whether_a_statement_made_it():
    assert decide([policy(deny())], GET, CHANNEL, {}) is Decision.DENIED
    assert decide([], GET, CHANNEL, {}) is Decision.NOT_ALLOWED


def test_the_older_version_knows_no_variables():
    old = policy(allow(resource="arn:aws:ivs:*:*:channel/${aws:username}"), version="2008-10-17")
    context = {"aws:username": ["abcdABCDefgh"]}

    assert decide([old], GET, CHANNEL, context) is Decision.NOT_ALLOWED
    literal = CHANNEL.replace("abcdABCDefgh", "${aws:username}")
    assert decide([old], GET, literal, context) is Decision.ALLOWED


def test_a_statement_may_stand_alone_and_carry_sid_and_id():
    read = parse_policy(
        json.dumps({"Id": "x", "Statement": {**allow(), "Sid": "One"}, "Version": "2012-10-17"})
    )

    assert [one.sid for one in read.statements] == ["One"]


REFUSED = [
    # id, document, says
    ("no JSON",              "{",                                      "no JSON: .* line 1 column"),
    ("a list",               [],                                       "the policy must be an object"),
    ("no statement",         {"Version": "2012-10-17"},                "Statement is missing"),
    ("an empty list",        {"Statement": []},                        "Statement is missing"),
    ("unknown version",      {"Version": "2020-01-01", "Statement": allow()}, "Version must be '2012-10-17'"),
    ("version not text",     {"Version": ["2012-10-17"], "Statement": allow()}, "Version must be"),
    ("unknown key",          {"Statement": allow(), "statement": 1},   "'statement' is unknown; allowed are Version"),
    ("unknown key inside",   {"Statement": allow(Actions=1)},          r"Statement\[0\]: 'Actions' is unknown"),
    ("a text",               {"Statement": "x"},                       r"Statement\[0\] must be an object"),
    ("principal",            {"Statement": allow(Principal="*")},      "has no Principal"),
    ("effect",               {"Statement": allow(Effect="allow")},     "Effect must be 'Allow' or 'Deny'"),
    ("no action",            {"Statement": {"Effect": "Allow", "Resource": "*"}}, "either Action or NotAction"),
    ("both actions",         {"Statement": allow(NotAction="*")},      "either Action or NotAction"),
    ("no resource",          {"Statement": {"Effect": "Allow", "Action": "*"}}, "either Resource or NotResource"),
    ("both resources",       {"Statement": allow(NotResource="*")},    "either Resource or NotResource"),
    ("action without colon", {"Statement": allow("GetChannel")},       r"Statement\[0\].Action: 'GetChannel' must be"),
    ("wildcard service",     {"Statement": allow("i*:GetChannel")},    "must be '\\*' or <service>:<action>"),
    ("action a number",      {"Statement": allow(5)},                  "must be"),
    ("no actions",           {"Statement": allow([])},                 "the list is empty"),
    ("second statement",     {"Statement": [allow(), allow("x")]},     r"Statement\[1\]"),
    ("resource no ARN",      {"Statement": allow(resource="channel/a")}, "'channel/a' must be '\\*' or an ARN"),
    ("resource a number",    {"Statement": allow(resource=5)},         "must be '\\*' or an ARN"),
    ("variable",             {"Version": "2012-10-17", "Statement": allow(resource="arn:aws:ivs:::${")}, "must begin a variable"),
    ("sid",                  {"Statement": allow(Sid="a b")},          "Sid must be letters and digits"),
    ("sid twice",            {"Statement": [allow(Sid="a"), deny(Sid="a")]}, "each Sid"),
    ("condition no object",  {"Statement": allow(Condition=[])},       "Condition must be"),
    ("operator no object",   {"Statement": allow(Condition={"Bool": "x"})}, "Condition must be"),
    ("operator",             {"Statement": allow(Condition={"Equals": {"aws:a": "x"}})}, r"Condition.Equals.aws:a: .* no condition operator"),
    ("key without prefix",   {"Statement": allow(Condition={"Bool": {"x": "true"}})}, "has a prefix"),
    ("values empty",         {"Statement": allow(Condition={"Bool": {"aws:x": []}})}, "must be a text"),
    ("value null",           {"Statement": allow(Condition={"Bool": {"aws:x": None}})}, "must be a text"),
    ("value NaN",            '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NumericEquals": {"aws:x": NaN}}}}', "must be a text"),
    ("a key twice",          '{"Statement": {"Effect": "Deny", "Effect": "Allow"}}', "'Effect' stands twice"),
    ("deep",                 '{"Statement":' * 500 + "1" + "}" * 500,  "the policy|nested|unknown|missing|Statement"),
    ("very deep",            "[" * 6000,                               "nested too deeply|no JSON"),
    ("too long",             {"Statement": allow(["ivs:" + "a" * 100] * 70)}, f"at most {MAX_POLICY_CHARACTERS} are allowed"),
    ("endless",              " " * 140_000,                            "at most 131072"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(document, says):
    text = document if isinstance(document, str) else json.dumps(document)

    with pytest.raises(PolicyError, match=says):
        parse_policy(text)


def test_white_space_does_not_count():
    full = json.dumps({"Statement": allow(["ivs:" + "a" * 100] * 50)}, indent=40)

    assert len(full) > MAX_POLICY_CHARACTERS
    assert parse_policy(full)


ACTIONS = st.sampled_from(
    ["ivs:GetChannel", "ivs:Get*", "ivs:*", "*", "ivs:CreateChannel", "ivs:?etChannel"]
)
RESOURCES = st.sampled_from(
    ["*", CHANNEL, OTHER, ALL, "arn:aws:ivs:*", "arn:aws:ivs:*:*:channel/${aws:username}"]
)
CONDITIONS = st.sampled_from(
    [{}, LIVE_ONLY, MUST_TAG, ONLY_TEAM, {"Null": {"aws:username": "true"}}]
)
STATEMENTS = st.builds(
    lambda effect, action, resource, condition, negated: {
        "Effect": effect,
        "NotAction" if negated else "Action": action,
        "Resource": resource,
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Deny"]),
    ACTIONS,
    RESOURCES,
    CONDITIONS,
    st.booleans(),
)
CONTEXTS = st.sampled_from([{}, TAGGED, REQUESTED, TAGGED | REQUESTED, {"aws:username": ["ana"]}])


@settings(max_examples=200, deadline=None)
@given(
    statements=st.lists(STATEMENTS, min_size=1, max_size=5),
    more=STATEMENTS,
    action=st.sampled_from([GET, CREATE]),
    resource=st.sampled_from([CHANNEL, OTHER, ALL]),
    context=CONTEXTS,
)
def test_more_denies_allow_less_and_more_allows_allow_more(
    statements, more, action, resource, context
):
    def allowed(listed):
        return decide([policy(*listed)], action, resource, context) is Decision.ALLOWED

    before, after = allowed(statements), allowed([*statements, more])
    assert after == allowed([more, *statements])  # the order says nothing
    if more["Effect"] == "Deny":
        assert after <= before
    elif not any(one["Effect"] == "Deny" for one in statements):
        assert after >= before


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Condition", "x"]),
        inner, max_size=4),
    max_leaves=12,
).map(json.dumps))  # fmt: skip
def test_any_text_is_a_policy_or_a_policy_error(text):
    with suppress(PolicyError):
        parse_policy(text)


def test_a_hostile_policy_is_decided_all_the_same():
    action = "ivs:" + "*a" * 900
    resource = "arn:aws:ivs:" + "*a" * 900 + "b"
    hostile = policy(allow(action=["ivs:*", action], resource=resource))

    assert decide([hostile], GET, "arn:aws:ivs:" + "a" * 1600, {}) is Decision.NOT_ALLOWED
