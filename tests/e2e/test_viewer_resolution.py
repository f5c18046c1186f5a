"""The renditions that a playback token takes away."""

import re
from urllib.parse import urljoin, urlsplit

from e2e.harness import publishing, running_server, wait_until_live
from e2e.ladders import FLAGS, make_picture
from e2e.viewers import Key, fetch, with_token

HEIGHTS = [("SD", [480, 360, 160]), ("HD", [720, 480, 360, 160]), ("FULL_HD", [720, 480, 360, 160]), (None, [720, 480, 360, 160])]  # fmt: skip


def test_a_token_takes_the_renditions_away_that_are_too_large(tmp_path):
    picture = make_picture(tmp_path / "720p.flv", "1280x720")
    with running_server(tmp_path / "data", transcode="on", flags=(*FLAGS, "10")) as server:
        client, key = server.ivs(), Key()
        client.import_playback_key_pair(publicKeyMaterial=key.pem)
        answer = client.create_channel(authorized=True, insecureIngest=True)
        made = answer["channel"]
        with publishing(
            picture, server.ingest_url("rtmp", answer["streamKey"]["value"]), loop=True
        ):
            wait_until_live(client, made["arn"])
            for name, heights in HEIGHTS:
                claims = {"maximum_resolution": name} if name else {}
                found = fetch(with_token(made, key.token(made["arn"], **claims)))
                sizes = re.findall(r"RESOLUTION=(\d+)x(\d+)", found.body.decode())
                assert [int(height) for _, height in sizes] == heights
                if name is None:
                    largest = urljoin(made["playbackUrl"], found.urls[0])
                elif name == "SD":
                    session = found.urls[0].split("/")[3]
            # The largest rendition, in the session that may not have it.
            parts = urlsplit(largest).path.split("/")
            parts[3] = session
            refused = fetch(urljoin(largest, "/".join(parts)))
            assert (refused.status, refused.error["error_code"]) == (403, "resolution_not_allowed")
            assert fetch(largest).status == 200
