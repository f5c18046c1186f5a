"""Restriction policies by page and by country, with a database of a few addresses."""

import os
import subprocess
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from e2e.blocks import blocks_of
from e2e.browser import open_page
from e2e.clients import cli_environment
from e2e.conftest import delete_channel
from e2e.harness import frame_hashes, headwater, publishing, running_server, wait_until_live
from e2e.players.site import player_site
from e2e.viewers import fetch

DIRECT = {}  # from loopback, which the database has in France
GERMANY = {"X-Forwarded-For": "203.0.113.5"}
GERMANY_BEHIND_TWO = {"X-Forwarded-For": "192.0.2.1, 203.0.113.5"}  # the first is made up
UNKNOWN = {"X-Forwarded-For": "192.0.2.1"}


def write_database(path):
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    for network, code in (("127.0.0.0/8", "FR"), ("203.0.113.0/24", "DE")):
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code}})
    writer.to_db_file(str(path))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restrictions")
    write_database(folder / "countries.mmdb")
    flags = ("--playback-country-database-file", str(folder / "countries.mmdb"))
    flags += ("--http-trusted-proxies", "127.0.0.1, ::1")
    with running_server(folder / "data", flags=flags) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.ivs()


@contextmanager
def live(server, client, source, policy, **channel):
    """A channel with that policy, live; its playback URL."""
    made = client.create_playback_restriction_policy(**policy)["playbackRestrictionPolicy"]
    channel |= {"insecureIngest": True, "playbackRestrictionPolicyArn": made["arn"]}
    answer = client.create_channel(**channel)
    with publishing(source, server.ingest_url("rtmp", answer["streamKey"]["value"]), loop=True):
        wait_until_live(client, answer["channel"]["arn"])
        yield answer["channel"]["playbackUrl"], made["arn"]
    delete_channel(client, answer["channel"]["arn"])
    client.delete_playback_restriction_policy(arn=made["arn"])


def denied(url, code, **request):
    answer = fetch(url, **request)
    assert answer.allow_origin == "*"
    assert answer.error["error_code"] == code
    return answer.status == 403


def urls_of(url, **request):
    answer = fetch(url, **request)
    assert answer.status == 200
    return [urljoin(url, line) for line in answer.urls]


def test_origins_are_checked_with_the_multivariant_playlist(server, client, source):
    policy = {"allowedOrigins": ["https://a.com", "https://*.b.com"]}
    with live(server, client, source, policy) as (url, _):
        for origin in ("https://a.com", "https://x.y.b.com"):
            answer = fetch(url, origin=origin)
            assert (answer.status, answer.allow_origin) == (200, origin)
            assert "origin" in answer.vary
        for origin in ("https://b.com", "https://a.com.evil.org", "http://a.com", "null"):
            assert denied(url, "origin_not_allowed", origin=origin)
        assert frame_hashes(url, "-t", "1")
        playlist = urls_of(url, origin="https://a.com")[0]
        media = urls_of(playlist, origin="https://evil.example")[-1]
        assert fetch(media, origin="https://evil.example").status == 200


def test_a_strict_policy_is_checked_with_every_request(server, client, source):
    policy = {
        "allowedOrigins": ["https://a.com"],
        "allowedCountries": ["DE"],
        "enableStrictOriginEnforcement": True,
    }
    with live(server, client, source, policy) as (url, _):
        good = {"origin": "https://a.com", "headers": GERMANY}
        assert denied(url, "origin_not_allowed", headers=GERMANY)
        assert denied(url, "content_geoblocked", origin="https://a.com")
        playlist = urls_of(url, **good)[0]
        media = urls_of(playlist, **good)[-1]
        for each in (playlist, media):
            answer = fetch(each, **good)
            assert (answer.status, answer.allow_origin) == (200, "https://a.com")
            assert denied(each, "origin_not_allowed", headers=GERMANY)
            assert denied(each, "origin_not_allowed", origin="https://b.com", headers=GERMANY)
            assert denied(each, "content_geoblocked", origin="https://a.com")
        # Without the session, which is the fourth part of the path.
        parts = urlsplit(media).path.split("/")
        bare = urljoin(media, "/".join([*parts[:3], *parts[4:]]))
        assert fetch(bare, **good).status == 403
        # ffmpeg sends what a native player would be told to.
        options = ("-headers", "Origin: https://a.com\r\nX-Forwarded-For: 203.0.113.5\r\n")
        assert frame_hashes(url, *options, "-t", "1")


def test_countries_are_those_of_the_address_and_unknown_ones_may_watch(server, client, source):
    with live(server, client, source, {"allowedCountries": ["DE", "US"]}) as (url, arn):
        for headers in (GERMANY, GERMANY_BEHIND_TWO, UNKNOWN):
            assert fetch(url, headers=headers).status == 200
        assert denied(url, "content_geoblocked")
        assert denied(
            url, "content_geoblocked", headers={"X-Forwarded-For": "203.0.113.5, 127.0.0.9"}
        )
        playlist = urls_of(url, headers=GERMANY)[0]
        assert fetch(playlist).status == 200

        client.update_playback_restriction_policy(arn=arn, allowedCountries=["FR"])
        assert fetch(url, headers=GERMANY).status == 200  # as IVS: from the next stream on
    with live(server, client, source, {"allowedCountries": ["FR"]}) as (url, _):
        assert fetch(url).status == 200
        assert denied(url, "content_geoblocked", headers=GERMANY)


def test_a_browser_on_another_page_sees_why(server, client, source):
    with live(server, client, source, {"allowedOrigins": ["https://a.com"]}) as (url, _):
        with player_site() as page_of, open_page() as page:
            page.goto(page_of("none", "", {}))
            seen = page.evaluate(
                "async (url) => { const a = await fetch(url); return [a.status, await a.json()]; }",
                url,
            )
        assert seen[0] == 403
        assert seen[1][0]["error_code"] == "origin_not_allowed"


def test_the_commands_of_the_page_restrict_a_channel(server, client, source, tmp_path):
    environment = os.environ | cli_environment(server)
    for block in blocks_of("playback-restriction-policies.md", "sh"):
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            check=True,
            timeout=120,
        )
    (found,) = client.list_channels(filterByName="my-restricted-show")["channels"]
    channel = client.get_channel(arn=found["arn"])["channel"]
    key = client.list_stream_keys(channelArn=found["arn"])["streamKeys"][0]["arn"]
    value = client.get_stream_key(arn=key)["streamKey"]["value"]
    with publishing(source, server.ingest_url("rtmp", value), loop=True):
        wait_until_live(client, found["arn"])
        url = channel["playbackUrl"]
        assert fetch(url, origin="https://x.example.org", headers=GERMANY).status == 200
        assert denied(url, "origin_not_allowed", origin="https://example.org", headers=GERMANY)
        assert fetch(url).status == 200
    delete_channel(client, found["arn"])


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--playback-country-database-file", "/nowhere.mmdb", "playback.country_database_file = '/nowhere.mmdb': No such file"),
        ("--http-trusted-proxies", "10.0.0.0/99", "http.trusted_proxies: '10.0.0.0/99': must be an address or a network"),
        ("--http-trusted-proxies", "proxy", "http.trusted_proxies = 'proxy' (flag --http-trusted-proxies): must be addresses and networks"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named_at_the_start(tmp_path, flag, value, says):
    ports = [
        word
        for name in ("http", "http-tls", "rtmp", "rtmp-tls")
        for word in (f"--{name}-port", "0")
    ]
    done = headwater("serve", "--server-data-dir", str(tmp_path / "data"), *ports, flag, value)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
