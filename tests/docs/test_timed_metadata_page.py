"""The how-to page of timed metadata: its program reads the tags that are really made."""

import json
import shutil
import subprocess

import pytest

from e2e.blocks import blocks_of
from headwater.media.timed_metadata import metadata_tag

PARSE, _ = blocks_of("timed-metadata.md", "javascript")
TEXTS = ["7", "a\0b", "PRIV", "h\u00e9 \U0001f600", "x" * 1024, "TXXX\0\0"]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node: `make system-tools`")
@pytest.mark.parametrize("with_text_frame", [False, True])
def test_the_program_for_hls_js_reads_whole_texts(with_text_frame):
    tags = [list(metadata_tag(text, with_text_frame=with_text_frame)) for text in TEXTS]
    program = f"""
        const told = [];
        const onMetadata = (each) => told.push([each.owner, each.text, each.pts]);
        const samples = {json.dumps(tags)}.map((tag, pts) => ({{ data: Uint8Array.from(tag), pts }}));
        const Hls = {{ Events: {{ FRAG_PARSING_METADATA: "" }} }};
        const player = {{ on: (_name, tell) => tell(_name, {{ samples }}) }};
        {PARSE}
        console.log(JSON.stringify(told));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )

    owner = "metadata.live-video.net"
    assert json.loads(done.stdout) == [[owner, text, n] for n, text in enumerate(TEXTS)]
