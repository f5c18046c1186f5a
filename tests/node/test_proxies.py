import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import OperatorError
from headwater.node.proxies import NONE_TRUSTED, Proxies

TRUSTED = Proxies("10.0.0.0/8, 192.0.2.7,2001:db8::/32")
CLIENTS = [
    ("no header",                 "10.1.2.3",   [], "10.1.2.3"),
    ("one proxy",                 "10.1.2.3",   ["198.51.100.1"], "198.51.100.1"),
    ("an address, not a network", "192.0.2.7",  ["198.51.100.1"], "198.51.100.1"),
    ("no proxy",                  "192.0.2.8",  ["198.51.100.1"], "192.0.2.8"),
    ("two proxies",               "10.1.2.3",   ["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
    ("two headers",               "10.1.2.3",   ["198.51.100.1", "10.9.9.9"], "198.51.100.1"),
    ("what the client made up",   "10.1.2.3",   ["203.0.113.5, 198.51.100.1"], "198.51.100.1"),
    ("... of trusted addresses",  "10.1.2.3",   ["10.0.0.1, 198.51.100.1"], "198.51.100.1"),
    ("proxies alone",             "10.1.2.3",   ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
    ("IPv6",                      "2001:db8::1", ["2001:470::5"], "2001:470::5"),
    ("IPv6 peer in brackets",     "[2001:db8::1]", ["2001:470::5"], "2001:470::5"),
    ("with ports",                "10.1.2.3",   ["198.51.100.1:50000"], "198.51.100.1"),
    ("IPv6 with port",            "10.1.2.3",   ["[2001:470::5]:50000"], "2001:470::5"),
    ("IPv4 in IPv6",              "::ffff:10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("unknown",                   "10.1.2.3",   ["unknown"], "10.1.2.3"),
    ("unknown behind a proxy",    "10.1.2.3",   ["198.51.100.1, unknown, 10.9.9.9"], "10.9.9.9"),
    ("empty",                     "10.1.2.3",   [""], "10.1.2.3"),
    ("no peer",                   "",           ["198.51.100.1"], ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS]
)
def test_the_last_address_that_no_trusted_proxy_has_is_the_client(peer, forwarded, client):
    headers = [("host", "x"), *(("x-forwarded-for", value) for value in forwarded)]
    assert TRUSTED.client(peer, headers) == client


def test_without_the_setting_nobody_is_believed():
    assert NONE_TRUSTED.client("10.1.2.3", [("x-forwarded-for", "198.51.100.1")]) == "10.1.2.3"


@pytest.mark.parametrize("name", ["10.0.0.0/33", "10.0.0", "proxy", "10.0.0.1,,10.0.0.2", "::/129"])
def test_what_is_no_network_is_refused_by_the_settings_name(name):
    with pytest.raises(OperatorError) as caught:
        Proxies(name)
    assert "http.trusted_proxies" in str(caught.value)
    assert "must be an address or a network, such as 10.0.0.0/8" in str(caught.value)


def test_too_many_networks_are_refused():
    with pytest.raises(OperatorError, match="at most 1000"):
        Proxies(",".join(["10.0.0.1"] * 1001))


def test_a_long_list_is_read_from_its_end():
    headers = [("x-forwarded-for", "198.51.100.1," * 10_000 + "10.0.0.9,203.0.113.5")]
    assert TRUSTED.client("10.1.2.3", headers) == "203.0.113.5"


@given(st.lists(st.text(max_size=30), max_size=4))
def test_whatever_stands_in_the_header_somebody_is_the_client(values):
    headers = [("x-forwarded-for", value) for value in values]
    assert TRUSTED.client("10.1.2.3", headers)
