import pytest

from headwater.auth.template import PolicyError, template

CONTEXT = {"aws:username": ["ana"], "aws:principaltag/team": ["*"], "aws:tagkeys": ["a", "b"]}

MATCHES = [
    # template,                                 text,            does
    ("channel/${aws:username}",                 "channel/ana",   True),
    ("channel/${aws:UserName}",                 "channel/ana",   True),
    ("channel/${aws:username}-*",               "channel/ana-1", True),
    ("channel/${aws:username}",                 "channel/bob",   False),
    ("${aws:principaltag/team}",                "*",             True),
    ("${aws:principaltag/team}",                "anything",      False),
    ("${aws:nothing}",                          "",              False),
    ("${aws:nothing}*",                         "a",             False),
    ("${aws:nothing, 'x y'}",                   "x y",           True),
    ("${aws:nothing,'d'}",                      "d",             True),
    ("${aws:username, 'd'}",                    "ana",           True),
    ("${aws:tagkeys}",                          "a",             False),
    ("${aws:tagkeys, 'd'}",                     "d",             True),
    ("a${*}b",                                  "a*b",           True),
    ("a${*}b",                                  "axb",           False),
    ("a${?}",                                   "a?",            True),
    ("a${?}",                                   "ab",            False),
    ("${$}{aws:username}",                      "${aws:username}", True),
    ("$5 {a}",                                  "$5 {a}",        True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "does"), MATCHES)
def test_variables_stand_for_what_the_request_says(text, value, does):
    assert template(text, variables=True, wildcards=True).matches(value, CONTEXT) is does


def test_without_variables_the_text_is_as_written():
    plain = template("${aws:username}", variables=False, wildcards=True)

    assert plain.matches("${aws:username}", CONTEXT)
    assert not plain.matches("ana", CONTEXT)


def test_without_wildcards_they_are_characters():
    plain = template("a*?", variables=True, wildcards=False)

    assert plain.matches("a*?", {})
    assert not plain.matches("abc", {})


@pytest.mark.parametrize("text", ["${", "${}", "a${aws:username", "${aws:x, }", "${a${b}}"])
def test_refuses_what_begins_as_a_variable_and_is_none(text):
    with pytest.raises(PolicyError, match="must begin a variable"):
        template(text, variables=True, wildcards=True)
