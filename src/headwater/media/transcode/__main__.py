"""`python -m headwater.media.transcode`: the transcoder of one live stream.

Requests come on standard input, answers go to standard output (see `wire`); one line of
JSON for each event goes to standard error. Nothing else is ever written to standard output:
it is moved away first, so that a library's stray line cannot break the stream of answers.

Exit status: 0 after End, or when standard input closes; 1 after Failed, or when nobody
reads the answers; 2 wrong arguments. `--probe` tells what this machine can do instead.
"""

import argparse
import ctypes
import json
import os
import select
import signal
import sys
import threading
from typing import NoReturn, get_args

import av.logging

from headwater.core.errors import HeadwaterError
from headwater.media.transcode.output import Pipe
from headwater.media.transcode.probe import probe
from headwater.media.transcode.session import Session
from headwater.media.transcode.wire import (
    EncoderName,
    EncoderSettings,
    Failed,
    request_reader,
)

READ_BYTES = 1 << 18
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main() -> NoReturn:
    """Run it. Ends the process itself: threads may be in the middle of a frame."""
    options = _options()
    av.logging.set_level(None)
    answers = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    if options.probe:
        settings = EncoderSettings(encoder=options.encoder, preset=options.preset)
        os.write(answers, json.dumps(probe(settings)).encode() + b"\n")
        os._exit(0)
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    pipe = Pipe(answers)
    threading.excepthook = lambda caught: _fail(pipe, caught.exc_value)
    try:
        _serve(pipe)
    except Exception as error:  # noqa: BLE001 - the process's edge
        _fail(pipe, error)
    os._exit(0)


def _options() -> argparse.Namespace:
    default = EncoderSettings()
    parser = argparse.ArgumentParser(prog="headwater.media.transcode", description=__doc__)
    parser.add_argument("--probe", action="store_true", help="print what this machine can do")
    names = get_args(EncoderName)
    parser.add_argument("--encoder", choices=names, default=default.encoder, help="to measure")
    parser.add_argument("--preset", default=default.preset, help="to measure with")
    return parser.parse_args()


def _serve(pipe: Pipe) -> None:
    """Read requests until End or until the pipe closes."""
    reader, session = request_reader(), Session(pipe)
    while True:
        readable, _, _ = select.select([_STDIN], [], [], session.until_progress_s())
        session.tick()
        if not readable:
            continue
        data = os.read(_STDIN, READ_BYTES)
        if not data:
            return
        for request in reader.push(data):
            if not session.handle(request):
                _log("finished")
                return


def _fail(pipe: Pipe, error: BaseException | None) -> NoReturn:
    """Say why, in both places, and end."""
    if isinstance(error, BrokenPipeError):
        os._exit(1)
    reason = str(error) if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
    _log("failed", reason=reason)
    try:
        pipe.send(Failed(reason=reason))
    finally:
        os._exit(1)


def _log(event: str, **fields: str) -> None:
    line = json.dumps({"event": f"transcoder {event}", **fields})
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - standard error is the log


def _die_with_parent() -> None:
    """A parent that is killed closes our input too; this holds even if we hang."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
