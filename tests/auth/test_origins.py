import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.auth import origins
from headwater.core.errors import PeerError

ALLOWED = [
    ("the same",                 "https://example.com",        "https://example.com"),
    ("own port written",         "https://example.com:443",    "https://example.com"),
    ("own port sent",            "http://example.com",         "http://example.com:80"),
    ("another port",             "http://localhost:3000",      "http://localhost:3000"),
    ("host in capitals",         "https://Example.COM",        "https://example.com"),
    ("below a wildcard",         "https://*.example.com",      "https://www.example.com"),
    ("far below a wildcard",     "https://*.example.com",      "https://a.b.example.com"),
    ("wildcard with a port",     "https://*.example.com:8443", "https://a.example.com:8443"),
    ("wildcard with its port",   "https://*.example.com:443",  "https://a.example.com"),
    ("an app's scheme",          "capacitor://localhost",      "capacitor://localhost"),
    ("IPv4",                     "http://192.0.2.1:8080",      "http://192.0.2.1:8080"),
    ("IPv6",                     "http://[2001:db8::1]:8080",  "http://[2001:db8::1]:8080"),
    ("null",                     "null",                       "null"),
    ("any",                      "*",                          "https://anything.example"),
    ("any, null",                "*",                          "null"),
]  # fmt: skip

NOT_ALLOWED = [
    ("another host",             "https://example.com",        "https://example.org"),
    ("another scheme",           "https://example.com",        "http://example.com"),
    ("another port",             "https://example.com",        "https://example.com:8443"),
    ("a port too many",          "https://*.example.com",      "https://a.example.com:8443"),
    ("a port too few",           "https://*.example.com:8443", "https://a.example.com"),
    ("the wildcard's own host",  "https://*.example.com",      "https://example.com"),
    ("ends alike",               "https://*.example.com",      "https://evilexample.com"),
    ("goes on",                  "https://example.com",        "https://example.com.evil.org"),
    ("wildcard goes on",         "https://*.example.com",      "https://a.example.com.evil.org"),
    ("user in front",            "https://*.example.com",      "https://evil.org@a.example.com"),
    ("path in front",            "https://*.example.com",      "https://evil.org/.example.com"),
    ("no label",                 "https://*.example.com",      "https://.example.com"),
    ("wildcard sent",            "https://*.example.com",      "https://*.example.com"),
    ("any, wildcard sent",       "*",                          "*"),
    ("null for a site",          "https://example.com",        "null"),
    ("a site for null",          "null",                       "https://example.com"),
    ("none",                     "*",                          None),
    ("empty",                    "*",                          ""),
    ("no scheme",                "*",                          "example.com"),
    ("a path",                   "https://example.com",        "https://example.com/"),
    ("two",                      "https://example.com",        "https://example.com https://a.com"),
    ("line break",               "https://example.com",        "https://example.com\n"),
    ("port out of range",        "*",                          "https://example.com:65536"),
    ("too long",                 "*",                          "https://" + "a." * 150 + "com"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "origin"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED]
)
def test_a_page_of_an_allowed_origin_may_play(pattern, origin):
    assert origins.allows([pattern], origin)
    assert origins.allows(["https://first.example", pattern], origin)


@pytest.mark.parametrize(
    ("pattern", "origin"), [row[1:] for row in NOT_ALLOWED], ids=[row[0] for row in NOT_ALLOWED]
)
def test_a_page_of_another_origin_may_not(pattern, origin):
    assert not origins.allows([pattern], origin)


def test_no_patterns_allow_nobody():
    assert not origins.allows([], "https://example.com")


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("*", ("*",)),
        ("https://a.com", ("https://a.com",)),
        ("https://a.com,https://*.b.com", ("https://a.com", "https://*.b.com")),
        (" https://a.com , http://b.com:81 ", ("https://a.com", "http://b.com:81")),
        ("https://a.com,https://a.com", ("https://a.com",)),
        ("null,*", ("null", "*")),
    ],
)
def test_a_list_of_origins_is_read(text, patterns):
    assert origins.parse_patterns(text) == patterns


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "https://a.com,", "a.com", "*.a.com", "https://", "https://a.com/", "https://*",
        "https://*a.com", "https://a.*.com", "https://*.*.com", "https://a.com;https://b.com",
        "https://a.com https://b.com", "**", "https://a.com:", "https://a.com:65536", "Null",
        "https://ü.com", "https://a.com?x", "https://" + "a" * 64 + ".com", "https://a..com",
    ],
)  # fmt: skip
def test_a_list_that_is_wrong_is_refused_with_what_is_right(text):
    with pytest.raises(PeerError) as caught:
        origins.parse_patterns(text)
    assert str(caught.value) == (
        "must be *, or origins separated by commas, such as https://example.com, "
        "https://example.com:8443 or https://*.example.com"
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_a_pattern_or_none_and_any_header_allowed_or_not(pattern, origin):
    if origins.is_pattern(pattern):
        assert origins.allows([pattern], origin) in {True, False}
    assert origins.allows(["https://*.example.com"], origin) is False


label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@given(st.lists(label, min_size=1, max_size=4), st.integers(0, 65_535) | st.none())
def test_a_wildcard_is_for_all_hosts_below_and_for_no_other_port(labels, port):
    end = "" if port is None else f":{port}"
    host = ".".join(labels)
    assert origins.allows([f"https://*.example.com{end}"], f"https://{host}.example.com{end}")
    assert not origins.allows([f"https://*.example.com{end}"], f"https://{host}example.com{end}x")
