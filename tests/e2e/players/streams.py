"""Live streams of each kind, for players."""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

from e2e.harness import make_source, publishing, running_server, wait_until_live

STREAMS = {
    # id,          container,         latency
    "ts low":      ("TS",             "LOW"),
    "fmp4 low":    ("FRAGMENTED_MP4", "LOW"),
    "ts normal":   ("TS",             "NORMAL"),
    "fmp4 normal": ("FRAGMENTED_MP4", "NORMAL"),
}  # fmt: skip
SOURCE_S = 32  # a whole number of AAC frames, so that it can be sent in a loop
FPS = 30


@contextmanager
def live_streams(folder, names=tuple(STREAMS)):
    """A server with these streams live; `arns` and `urls` by id."""
    source = make_source(folder / "source.flv", seconds=SOURCE_S, fps=FPS)
    with running_server(folder / "data") as server, ExitStack() as live:
        client, arns, urls = server.ivs(), {}, {}
        for name in names:
            container, latency = STREAMS[name]
            made = client.create_channel(
                insecureIngest=True, containerFormat=container, latencyMode=latency
            )
            ingest = server.ingest_url("rtmp", made["streamKey"]["value"])
            live.enter_context(publishing(source, ingest, loop=True))
            arns[name] = made["channel"]["arn"]
            urls[name] = made["channel"]["playbackUrl"]
        for arn in arns.values():
            wait_until_live(client, arn)
        yield SimpleNamespace(server=server, client=client, arns=arns, urls=urls, source=source)
