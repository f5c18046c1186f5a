import pytest

from headwater.events.addresses import is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"]
PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback-far": "127.255.255.254",
    "this-host": "0.0.0.0",  # noqa: S104
    "ten": "10.1.2.3",
    "one-seven-two": "172.31.255.255",
    "one-nine-two": "192.168.0.1",
    "carrier-nat": "100.64.0.1",
    "metadata": "169.254.169.254",
    "documentation": "192.0.2.1",
    "benchmark": "198.18.0.1",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "v6-loopback": "::1",
    "v6-unspecified": "::",
    "v6-unique-local": "fd00:ec2::254",
    "v6-link-local": "fe80::1",
    "v6-link-local-scoped": "fe80::1%eth0",
    "v6-multicast": "ff02::1",
    "mapped-loopback": "::ffff:127.0.0.1",
    "mapped-metadata": "::ffff:a9fe:a9fe",
    "nat64-loopback": "64:ff9b::7f00:1",
    "nat64-metadata": "64:ff9b::a9fe:a9fe",
    "6to4-private": "2002:a00:1::1",
    "teredo-private": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "no-address": "localhost",
    "empty": "",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_may_be_reached(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE.keys())
def test_any_other_address_may_not(address):
    assert not is_public(address)
