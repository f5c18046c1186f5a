"""Private channels: tokens that open them, those that do not, and viewers who lose them."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import postgres
from e2e.blocks import blocks_of
from e2e.browser import open_page
from e2e.clients import cli_environment
from e2e.conftest import delete_channel
from e2e.harness import (
    frame_hashes,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.players.site import player_site
from e2e.viewers import Key, fetch, with_token

STOPPED_S = 5
PLAYED_S = 2
WITHIN_S = 20

SEEN_BY_HLS_JS = """
(url) => new Promise((resolve) => {
  const player = new Hls();
  setTimeout(() => resolve("no error"), 20_000);
  player.on(Hls.Events.ERROR, (_name, { response }) => resolve(response?.code));
  player.loadSource(url);
})
"""


@pytest.fixture(scope="module")
def key(client):
    key = Key()
    made = client.import_playback_key_pair(publicKeyMaterial=key.pem)["keyPair"]
    yield key
    client.delete_playback_key_pair(arn=made["arn"])


@pytest.fixture(scope="module")
def private(server, client, source):
    """A private channel that is live."""
    answer = client.create_channel(authorized=True, insecureIngest=True, latencyMode="LOW")
    made = answer["channel"]
    with publishing(source, server.ingest_url("rtmp", answer["streamKey"]["value"]), loop=True):
        wait_until_live(client, made["arn"])
        yield made
    delete_channel(client, made["arn"])


def test_ffmpeg_plays_with_a_token(private, key):
    assert frame_hashes(with_token(private, key.token(private["arn"])), "-t", "2")


def test_the_urls_of_a_session_hold_no_token(private, key):
    token = key.token(private["arn"])
    playlist = fetch(with_token(private, token))
    assert playlist.status == 200
    assert playlist.allow_origin == "*"
    (url,) = playlist.urls
    media = fetch(urljoin(private["playbackUrl"], url))
    assert media.status == 200
    assert token.rpartition(".")[2] not in playlist.body.decode() + media.body.decode()


def hs384(private, key):
    def part(value):
        return jwt.utils.base64url_encode(json.dumps(value).encode()).decode()

    claims = {"aws:channel-arn": private["arn"], "exp": int(time.time()) + 60}
    message = f"{part({'alg': 'HS384', 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.digest(key.pem.encode(), message.encode(), hashlib.sha384)
    return f"{message}.{jwt.utils.base64url_encode(signature).decode()}"


def without_signature(private, _):
    claims = {"aws:channel-arn": private["arn"], "exp": int(time.time()) + 60}
    return jwt.encode(claims, None, algorithm="none") + "AAAA"


def altered(private, key):
    head, payload, signature = key.token(private["arn"]).split(".")
    return f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


ATTACKS = [
    ("no token",             lambda _private, _key: None, "?token="),
    ("empty",                lambda _private, _key: "", "none is there"),
    ("two tokens",           lambda private, key: f"{key.token(private['arn'])}&token=x", "more than one"),
    ("not a token",          lambda _private, _key: "hello", "three parts"),
    ("two segments",         lambda private, key: key.token(private["arn"]).rpartition(".")[0], "three parts"),
    ("alg none",             without_signature, "alg must be ES384"),
    ("HS384 by the public key", hs384, "alg must be ES384"),
    ("ES256, another curve", lambda private, _key: Key(ec.SECP256R1()).token(private["arn"], algorithm="ES256"), "alg must be ES384"),
    ("another's key",        lambda private, _key: Key().token(private["arn"]), "by no playback key"),
    ("altered",              altered, "by no playback key"),
    ("another channel",      lambda private, key: key.token(private["arn"][:-1] + "_"), "aws:channel-arn must be the ARN"),
    ("expired",              lambda private, key: key.token(private["arn"], lasts_s=-1), "exp: the token has expired"),
    ("huge",                 lambda private, key: key.token(private["arn"], player_params="x" * 2000), "at most 2048 characters"),
    ("crit",                 lambda private, key: key.token(private["arn"], headers={"crit": ["exp"]}), "crit"),
    ("viewer too long",      lambda private, key: key.token(private["arn"], viewer_id="v" * 41), "aws:viewer-id"),
    ("once, for an hour",    lambda private, key: key.token(private["arn"], single_use_uuid=str(uuid.uuid4()), lasts_s=3600), "exp must be at most 600 seconds"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "says"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS]
)
def test_an_attack_is_answered_with_403_that_pages_can_read(private, key, make, says):
    token = make(private, key)
    url = private["playbackUrl"] if token is None else with_token(private, token)
    answer = fetch(url, origin="https://example.com")

    assert answer.status == 403
    assert answer.allow_origin == "*"
    assert answer.error["error_code"] == "invalid_playback_auth_token"
    assert answer.error["url"] == url.removeprefix(private["playbackUrl"].partition("/api")[0])
    assert says in answer.error["error"]
    assert not token or len(token) < 20 or token not in answer.error["error"]


def test_a_channel_that_is_not_live_is_404_with_and_without_a_token(channel, key):
    made, _ = channel(authorized=True)
    for url in (made["playbackUrl"], with_token(made, key.token(made["arn"]))):
        answer = fetch(url, origin="https://example.com")
        assert (answer.status, answer.allow_origin) == (404, "*")
        assert answer.error["error_code"] == "transcode_does_not_exist"


def test_the_urls_of_a_session_are_all_that_opens_its_media(private, key):
    (url,) = fetch(with_token(private, key.token(private["arn"]))).urls
    path = urlsplit(url).path
    _, _, run, session, rendition, file = path.split("/")
    base = private["playbackUrl"].partition("/api")[0]
    playlist = fetch(f"{base}{path}")
    segment = next(name for name in reversed(playlist.urls) if name)
    media = urlsplit(urljoin(f"{base}{path}", segment)).path
    assert fetch(f"{base}{media}").status == 200

    for place in range(len(session)):
        other = session[:place] + ("x" if session[place] != "x" else "y") + session[place + 1 :]
        assert fetch(f"{base}/v1/{run}/{other}/{rendition}/{file}").status == 403
        assert fetch(f"{base}{media.replace(session, other)}").status == 403
    assert fetch(f"{base}/v1/{run}/{rendition}/{file}").status == 403
    assert fetch(f"{base}/v1/{run}/{rendition}/{media.rpartition('/')[2]}").status == 403


def test_a_deleted_key_is_refused_at_once_and_watching_goes_on(client, private):
    other = Key()
    made = client.import_playback_key_pair(publicKeyMaterial=other.pem)["keyPair"]
    url = with_token(private, other.token(private["arn"]))
    (media,) = fetch(url).urls
    client.delete_playback_key_pair(arn=made["arn"])

    answer = fetch(url)
    assert (answer.status, "by no playback key" in answer.error["error"]) == (403, True)
    assert fetch(urljoin(url, media)).status == 200


def test_a_single_use_token_is_used_once_and_not_by_a_look_at_it(private, key):
    url = with_token(private, key.token(private["arn"], single_use_uuid=str(uuid.uuid4())))
    assert fetch(url, method="HEAD").status == 200
    assert fetch(url).status == 200
    for method in ("HEAD", "GET"):
        again = fetch(url, method=method)
        assert again.status == 403
    assert again.error["error"] == "aws:single-use-uuid: the token was used before"


def test_a_single_use_token_is_not_used_up_by_a_page_that_it_is_not_for(private, key):
    claims = {"single_use_uuid": str(uuid.uuid4()), "access_control_allow_origin": "https://a.com"}
    url = with_token(private, key.token(private["arn"], **claims))
    assert fetch(url, origin="https://b.com").status == 403
    assert fetch(url, origin="https://a.com").status == 200


ORIGINS = [
    ("https://example.com",       "https://example.com",     200),
    ("https://example.com",       "https://example.org",     403),
    ("https://a.com,https://*.b.com:8443", "https://x.b.com:8443", 200),
    ("https://a.com,https://*.b.com:8443", "https://b.com:8443",   403),
    ("https://example.com",       None,                      200),  # no browser
    ("*",                         "https://example.com",     200),
]  # fmt: skip


@pytest.mark.parametrize(("allowed", "origin", "status"), ORIGINS)
def test_the_origins_of_a_token_count_for_the_multivariant_playlist(
    private, key, allowed, origin, status
):
    url = with_token(private, key.token(private["arn"], access_control_allow_origin=allowed))
    answer = fetch(url, origin=origin)
    assert answer.status == status
    restricted = status == 200 and origin and allowed != "*"
    assert answer.allow_origin == (origin if restricted else "*")
    assert ("origin" in answer.vary) == bool(restricted)
    if status == 200:
        assert fetch(urljoin(url, answer.urls[0]), origin="https://other.example").status == 200
    else:
        assert answer.error["error"].startswith("aws:access-control-allow-origin")


def test_strict_origins_count_for_every_request(private, key):
    claims = {"access_control_allow_origin": "https://a.com", "strict_origin_enforcement": True}
    url = with_token(private, key.token(private["arn"], **claims))
    assert fetch(url).status == 403
    assert fetch(url, origin="https://b.com").status == 403
    answer = fetch(url, origin="https://a.com")
    playlist = urljoin(url, answer.urls[0])
    segment = urljoin(playlist, fetch(playlist, origin="https://a.com").urls[-1])
    for each in (playlist, segment):
        good = fetch(each, origin="https://a.com")
        assert (good.status, good.allow_origin) == (200, "https://a.com")
        assert "origin" in good.vary
        for origin in (None, "https://b.com", "null"):
            refused = fetch(each, origin=origin)
            assert (refused.status, refused.allow_origin) == (403, "*")
            assert refused.error["error_code"] == "origin_not_allowed"


def test_a_revoked_viewer_is_stopped_within_five_seconds(client, private, key):
    def admitted(version):
        claims = {"viewer_id": "ana", "viewer_session_version": version}
        return fetch(with_token(private, key.token(private["arn"], **claims)))

    playing = [urljoin(private["playbackUrl"], admitted(version).urls[0]) for version in (2, 3)]
    client.start_viewer_session_revocation(
        channelArn=private["arn"], viewerId="ana", viewerSessionVersionsLessThanOrEqualTo=2
    )
    refused = admitted(2)  # at once
    assert refused.status == 403
    assert "aws:viewer-session-version must be above 2" in refused.error["error"]
    stopped = wait_for(
        lambda: (answer := fetch(playing[0])).status == 403 and answer, STOPPED_S, "the end"
    )
    assert stopped.error["error_code"] == "viewer_session_revoked"
    assert stopped.allow_origin == "*"
    assert fetch(playing[1]).status == 200
    assert admitted(3).status == 200


def test_hls_js_plays_with_a_token_and_sees_the_403_without_one(private, key):
    with player_site() as page_of, open_page() as page:
        page.goto(page_of("hls.js", with_token(private, key.token(private["arn"])), {}))
        wait_for(
            lambda: (
                page.evaluate("window.stats?.().position_s ?? 0") > PLAYED_S
                or page.wait_for_timeout(100)
            ),
            WITHIN_S,
            "hls.js to play",
        )
        errors = page.evaluate("window.stats().errors")
        assert [error for error in errors if error.startswith("fatal")] == []
        status = page.evaluate(
            "async (url) => { const a = await fetch(url); return [a.status, await a.json()]; }",
            private["playbackUrl"],
        )
        assert status[0] == 403
        assert status[1][0]["error_code"] == "invalid_playback_auth_token"

        assert page.evaluate(SEEN_BY_HLS_JS, private["playbackUrl"]) == 403


def test_the_watch_page_plays_with_a_token(server, private, key):
    channel_id = private["arn"].rpartition("/")[2]
    with open_page() as page:
        page.goto(f"{server.url}/watch/{channel_id}?token={key.token(private['arn'])}")
        position = "document.querySelector('video')?.currentTime ?? 0"
        wait_for(
            lambda: page.evaluate(position) > PLAYED_S or page.wait_for_timeout(100),
            WITHIN_S,
            "the watch page to play",
        )


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two servers on one PostgreSQL database."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    folder = tmp_path_factory.mktemp("pair")
    with postgres.cluster() as cluster:
        flags = ("--store-url", cluster.url())
        with running_server(folder / "a", flags=flags) as first:
            credentials = (first.access_key_id, first.secret_access_key)
            with running_server(folder / "b", credentials, flags=flags) as second:
                yield first, second


def test_two_servers_on_one_database_share_what_is_used_revoked_and_deleted(pair, source):
    first, second = pair
    one, two = first.ivs(), second.ivs()
    key = Key()
    pair_arn = one.import_playback_key_pair(publicKeyMaterial=key.pem)["keyPair"]["arn"]
    channels = []
    for server, client in ((first, one), (second, two)):
        made = client.create_channel(authorized=True, insecureIngest=True)
        channels.append((server, made["channel"], made["streamKey"]["value"]))
    with (
        publishing(source, first.ingest_url("rtmp", channels[0][2]), loop=True),
        publishing(source, second.ingest_url("rtmp", channels[0][2]), loop=True),
    ):
        # Each server has a stream of the same channel, so that both can check its tokens.
        arn = channels[0][1]["arn"]
        for client in (one, two):
            wait_until_live(client, arn)
        path = urlsplit(channels[0][1]["playbackUrl"]).path

        def ask(server, **claims):
            return fetch(f"{server.url}{path}?token={key.token(arn, **claims)}")

        once = key.token(arn, single_use_uuid=str(uuid.uuid4()))
        answers = [fetch(f"{server.url}{path}?token={once}") for server in (first, second, first)]
        assert [answer.status for answer in answers] == [200, 403, 403]
        assert "used before" in answers[1].error["error"]

        playing = f"{first.url}{urlsplit(ask(first, viewer_id='ana').urls[0]).path}"
        assert fetch(playing).status == 200
        two.batch_start_viewer_session_revocation(
            viewerSessions=[{"channelArn": arn, "viewerId": "ana"}]
        )
        assert ask(first, viewer_id="ana").status == 403
        wait_for(lambda: fetch(playing).status == 403, STOPPED_S, "the revoked viewer's end")

        assert ask(first).status == 200
        two.delete_playback_key_pair(arn=pair_arn)
        assert ask(first).status == 403


def test_the_programs_of_the_page_let_viewers_in_and_out(server, client, source, tmp_path):
    commands = iter(blocks_of("private-channels.md", "sh"))
    environment = cli_environment(server)

    def run(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def shell(text):
        return run("bash", "-euo", "pipefail", "-c", text)

    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    shell(next(commands))
    (found,) = client.list_channels(filterByName="my-private-show")["channels"]
    made = client.get_channel(arn=found["arn"])["channel"]
    assert made["authorized"]
    key_arn = client.list_stream_keys(channelArn=made["arn"])["streamKeys"][0]["arn"]
    value = client.get_stream_key(arn=key_arn)["streamKey"]["value"]
    environment |= {"CHANNEL_ARN": made["arn"], "PLAYBACK_URL": made["playbackUrl"]}
    with publishing(source, server.ingest_url("rtmp", value), loop=True):
        wait_until_live(client, made["arn"])
        assert fetch(made["playbackUrl"]).status == 403
        assert fetch(shell(next(commands))).status == 200

        (program,) = blocks_of("private-channels.md", "python")
        url = run(sys.executable, "-c", program)
        playing = urljoin(url, fetch(url).urls[0])
        assert fetch(playing).status == 200

        (program,) = blocks_of("private-channels.md", "javascript")
        if shutil.which("node"):
            url = run("node", "--input-type=module", "-e", program)
            assert [fetch(url).status for _ in range(2)] == [200, 403]

        shell(next(commands))
        wait_for(lambda: fetch(playing).status == 403, STOPPED_S, "the revoked viewer's end")
    delete_channel(client, made["arn"])
    for pair in client.list_playback_key_pairs()["keyPairs"]:
        if pair.get("name") == "viewers":
            client.delete_playback_key_pair(arn=pair["arn"])
