import pytest

from headwater.api.endpoints import endpoints
from headwater.api.settings import ApiSettings
from headwater.store.records import Scope

SCOPE = Scope("123456789012", "eu-west-1")


def made(scope=SCOPE, base="https://{prefix}.{region}.example.net/"):
    return endpoints(
        ApiSettings(ingest_host="{prefix}.in", srt_host="srt", playback_base_url=base), scope
    )


def test_placeholders_become_a_prefix_and_the_region():
    found = made()

    prefix = found.ingest_host.removesuffix(".in")
    assert len(prefix) == 12
    assert set(prefix) <= set("0123456789abcdef")
    assert found.srt_host == "srt"
    assert found.playback_url("ID") == (
        f"https://{prefix}.eu-west-1.example.net"
        "/api/video/v1/eu-west-1.123456789012.channel.ID.m3u8"
    )


def test_a_prefix_belongs_to_an_account_and_region():
    others = [Scope("123456789012", "us-east-1"), Scope("210987654321", "eu-west-1")]

    assert made() == made()
    assert len({made(scope).ingest_host for scope in [SCOPE, *others]}) == 3


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"])
def test_a_base_without_placeholders_stays_as_it_is(base):
    url = made(base=base).playback_url("ID")

    assert url.startswith("http://127.0.0.1:8080/api/video/v1/")


def test_other_braces_do_no_harm():
    assert made(base="https://{other}").playback_base_url == "https://{other}"
