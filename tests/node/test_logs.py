"""Log lines as they are written, by a process of their own: they go to its standard error."""

import json
import subprocess
import sys

PROGRAM = """
import structlog
from headwater.core.secret import Secret
from headwater.node.logs import configure_logging

configure_logging("info", "json")
log = structlog.get_logger("test")
log.debug("not shown")
log.info("first", secret=Secret("hush"), text="\\ud800\\n", number=1)
try:
    raise RuntimeError("why")
except RuntimeError:
    log.exception("second")
"""


def test_a_line_is_one_json_object_without_secrets():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    first, second = map(json.loads, done.stderr.splitlines())

    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "first",
        "level": "info",
        "secret": "Secret(...)",
        "text": "\ud800\n",
        "number": 1,
    }
    assert second["event"] == "second"
    assert second["exception"].endswith("RuntimeError: why")
