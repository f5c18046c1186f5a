"""Viewers are sessions: counted, bounded by the quota, and ended when they are revoked."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from e2e.blocks import blocks_of
from e2e.browser import open_page
from e2e.clients import cli_environment
from e2e.harness import (
    FFMPEG,
    REGION,
    headwater,
    publishing,
    running_server,
    wait_for,
    wait_until_live,
)
from e2e.players.site import player_site

COUNTED_S = 15
GONE_S = 60
STOPPED_S = 5
PLAYS_S = 20
VIEWERS = 2000
QUOTA = 2
PAGE = "viewer-sessions.md"

FETCH = """
async (url) => {
  const answer = await fetch(url);
  return [answer.status, await answer.json()];
}
"""
REFUSED = """
(since) => performance.getEntriesByType("resource")
  .filter((entry) => entry.responseStatus === 403 && entry.startTime > since).length
"""


class Client:
    """Any number of viewers on one connection."""

    def __init__(self, url):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def get(self, url, method="GET"):
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._connection.request(method, path, headers={"User-Agent": "one"})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def join(self, url):
        """The URL of the first media playlist of a new session."""
        status, body = self.get(url)
        assert status == 200, body
        return urljoin(url, next(line for line in body.splitlines() if line[:1] != "#"))


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A server whose quota is small."""
    flags = ("--quotas-concurrent-views", str(QUOTA))
    with running_server(tmp_path_factory.mktemp("limited") / "data", flags=flags) as server:
        yield server


@contextlib.contextmanager
def live(server, source, **wishes):
    """A new channel while it is live."""
    client = server.ivs()
    made = client.create_channel(insecureIngest=True, **wishes)
    arn = made["channel"]["arn"]
    with publishing(source, server.ingest_url("rtmp", made["streamKey"]["value"]), loop=True):
        wait_until_live(client, arn)
        yield made["channel"]


@contextlib.contextmanager
def ffmpeg_plays(url):
    """ffmpeg plays in real time until the block ends."""
    player = subprocess.Popen(
        [*FFMPEG, "-re", "-i", url, "-f", "null", "-"], stderr=subprocess.DEVNULL
    )
    try:
        yield player
    finally:
        player.kill()
        player.wait()


def viewers(client, arn):
    """What GetStream and ListStreams say."""
    count = client.get_stream(channelArn=arn)["stream"]["viewerCount"]
    listed = client.list_streams()["streams"]
    assert any(each["channelArn"] == arn for each in listed)
    return count


def test_players_are_counted_soon_and_until_they_leave(server, client, source):
    with live(server, source) as channel, player_site() as page_of:
        url, arn = channel["playbackUrl"], channel["arn"]
        with Client(url) as bot:
            for method in ("GET", "HEAD", "OPTIONS") * 5:
                bot.get(url, method)
        with ffmpeg_plays(url), ffmpeg_plays(url), open_page() as page:
            assert viewers(client, arn) <= 2, "bots are none"
            page.goto(page_of("hls.js", url, {}))
            wait_for(lambda: viewers(client, arn) == 3, COUNTED_S, "three viewers")
            time.sleep(2)
            assert viewers(client, arn) == 3
        wait_for(lambda: viewers(client, arn) == 0, GONE_S, "all of them to be gone")


def test_thousands_behind_one_address_are_counted_each(server, client, source):
    with live(server, source) as channel, Client(channel["playbackUrl"]) as crowd:
        playlists = [crowd.join(channel["playbackUrl"]) for _ in range(VIEWERS)]
        assert len(set(playlists)) == VIEWERS
        assert viewers(client, channel["arn"]) == 0
        for playlist in playlists:
            assert crowd.get(playlist)[0] == 200
        assert viewers(client, channel["arn"]) == pytest.approx(VIEWERS, rel=0.01)


def test_a_viewer_too_many_is_told_so_in_a_browser_too(limited, source):
    client = limited.ivs()
    rules = ["put", "all", "--to", "file:all.jsonl", "--region", REGION]
    folder = ("--server-data-dir", str(limited.data_dir))
    done = headwater("events", "rules", *rules, *folder, cwd=limited.data_dir.parent)
    assert done.returncode == 0, done.stderr
    with (
        live(limited, source) as channel,
        Client(channel["playbackUrl"]) as crowd,
        player_site() as page_of,
        open_page() as page,
    ):
        url, arn = channel["playbackUrl"], channel["arn"]
        watching = [crowd.join(url) for _ in range(QUOTA)]
        late = crowd.join(url)  # is let in, and then too late
        for playlist in watching:
            assert crowd.get(playlist)[0] == 200
        assert viewers(client, arn) == QUOTA

        page.goto(page_of("hls.js", url, {}))  # a page of another origin
        status, body = page.evaluate(FETCH, f"{url}?player_version=1.2&pblm=LOW")
        assert (status, body[0]["error_code"]) == (429, "concurrent_viewers_exceeded")
        assert body[0]["url"].endswith(".m3u8?player_version=1.2&pblm=LOW")
        assert body[0]["type"] == "error"
        assert crowd.get(late)[0] == 429
        assert [crowd.get(playlist)[0] for playlist in watching] == [200] * QUOTA
        assert viewers(client, arn) == QUOTA

    file = limited.data_dir / "events" / "all.jsonl"

    def breaches():
        events = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
        return [event for event in events if event["detail-type"] == "IVS Limit Breach"]

    (event,) = wait_for(breaches, 20, "the event")
    assert event["resources"] == []
    assert event["detail"] == {
        "limit_name": "Concurrent Viewers",
        "limit_value": QUOTA,
        "exceeded_by": 1,
        "limit_unit": "viewers",
    }


@pytest.fixture(scope="module")
def token_for(client):
    """Makes tokens for a viewer of a private channel."""
    private = ec.generate_private_key(ec.SECP384R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = client.import_playback_key_pair(publicKeyMaterial=pem.decode())["keyPair"]

    def token(arn, viewer_id, version):
        claims = {
            "aws:channel-arn": arn,
            "aws:viewer-id": viewer_id,
            "aws:viewer-session-version": version,
            "exp": int(time.time()) + 300,
        }
        return jwt.encode(claims, private, algorithm="ES384")

    yield token
    client.delete_playback_key_pair(arn=made["arn"])


@pytest.fixture(scope="module")
def private(server, source):
    with live(server, source, authorized=True) as channel:
        yield channel


def revoke(client, arn, viewer_id, version):
    client.start_viewer_session_revocation(
        channelArn=arn, viewerId=viewer_id, viewerSessionVersionsLessThanOrEqualTo=version
    )


def revoke_in_a_batch(client, arn, viewer_id, version):
    asked = [
        {
            "channelArn": arn,
            "viewerId": name,
            "viewerSessionVersionsLessThanOrEqualTo": version,
        }
        for name in ("somebody-else", viewer_id)
    ]
    assert not client.batch_start_viewer_session_revocation(viewerSessions=asked).get("errors")


@pytest.mark.parametrize("revoked", [revoke, revoke_in_a_batch])
def test_a_revoked_viewer_who_plays_is_stopped_and_not_let_in_again(
    client, private, token_for, revoked
):
    arn, viewer_id = private["arn"], f"viewer-of-{revoked.__name__}"

    def url(version):
        return f"{private['playbackUrl']}?token={token_for(arn, viewer_id, version)}"

    with (
        Client(private["playbackUrl"]) as ask,
        player_site() as page_of,
        open_page() as page,
    ):
        page.goto(page_of("hls.js", url(4), {}))

        def position():
            return page.evaluate("window.stats?.().position_s ?? 0")

        wait_for(lambda: position() > 1, PLAYS_S, "hls.js to play")
        other = ask.join(url(5))
        assert page.evaluate(REFUSED, 0) == 0
        revoked(client, arn, viewer_id, 4)
        began_s = time.monotonic()
        wait_for(lambda: page.evaluate(REFUSED, 0), STOPPED_S, "a refusal")
        assert time.monotonic() - began_s < STOPPED_S
        # Nothing of the stream is given out any more.
        since = page.evaluate("performance.now()")
        wait_for(lambda: page.evaluate(REFUSED, since) > 1, PLAYS_S, "more refusals")

        for version in (0, 3, 4):
            status, body = ask.get(url(version))
            assert (status, json.loads(body)[0]["type"]) == (403, "error")
        assert ask.get(url(5))[0] == 200
        assert ask.get(other)[0] == 200


@pytest.fixture
def quiet(server, source):
    """A private channel that nobody has watched yet."""
    with live(server, source, authorized=True) as channel:
        yield channel


def test_the_how_to_page_does_what_it_says(server, quiet, token_for, tmp_path):
    def joined(viewer_id):
        token = token_for(quiet["arn"], viewer_id, 0)
        with Client(quiet["playbackUrl"]) as ask:
            playlist = ask.join(f"{quiet['playbackUrl']}?token={token}")
            assert ask.get(playlist)[0] == 200
        return playlist

    playlists = [joined(viewer_id) for viewer_id in ("ana", "ben", "cara")]
    environment = os.environ | cli_environment(server) | {"CHANNEL_ARN": quiet["arn"]}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for language, command in (("python", [sys.executable, "-c"]), ("bash", ["bash", "-ec"])):
        done = subprocess.run(
            [*command, "\n".join(blocks_of(PAGE, language))],
            capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert "3 are watching\n" in said[0]
    with Client(quiet["playbackUrl"]) as ask:
        for playlist in playlists:
            wait_for(lambda each=playlist: ask.get(each)[0] == 403, STOPPED_S, "its viewer's end")
