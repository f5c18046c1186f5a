"""`python -m headwater.publisher`: publish the test picture until stopped.

The URL holds the stream key, so it is never an argument (any user of the machine can
list those): it comes from the environment variable HEADWATER_PUBLISH_URL or, where that
is missing, as the first line of standard input.

Exit status: 0 stopped by SIGTERM or SIGINT, or `--seconds` are over; 1 the server refused
or left; 2 the URL or an option is wrong. Each failure is one line on standard error.
A server that does not even take the goodbye: ended by SIGALRM, within a second.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.publisher.encoder import PublishError, Settings, publish

URL_VARIABLE = "HEADWATER_PUBLISH_URL"
MAX_URL_LENGTH = 2048  # of a line on standard input
STOP_WITHIN_S = 0.9  # then the kernel ends us: the server does not read our goodbye


def main() -> int:
    """Run it; the exit status."""
    settings = _settings()
    stop = threading.Event()
    _stop_on_signals(stop.set)
    try:
        publish(_read_url(), settings, stop.is_set)
    except (OperatorError, PublishError) as error:
        print(f"publisher: {error}", file=sys.stderr)  # noqa: T201 its one line
        return 2 if isinstance(error, OperatorError) else 1
    return 0


def _settings() -> Settings:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="headwater.publisher",
        description=f"Publishes a test picture. The URL comes from ${URL_VARIABLE} or stdin.",
    )
    whole = _within(1, 100_000)
    parser.add_argument("--width", type=whole, default=default.width, help="pixels, even")
    parser.add_argument("--height", type=whole, default=default.height, help="pixels, even")
    parser.add_argument("--fps", type=_within(1, 120), default=default.fps)
    parser.add_argument("--gop-s", type=float, default=default.gop_s, help="key frame interval")
    parser.add_argument("--video-kbps", type=_within(50, 100_000), default=default.video_kbps)
    parser.add_argument("--audio-kbps", type=_within(16, 512), default=default.audio_kbps)
    parser.add_argument("--seconds", type=float, default=default.seconds, help="0: no end")
    return Settings(**vars(parser.parse_args()))


def _within(low: int, high: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not {low} to {high}")
        return value

    return whole_number


def _read_url() -> Secret:
    return Secret((os.environ.get(URL_VARIABLE) or sys.stdin.readline(MAX_URL_LENGTH)).strip())


def _stop_on_signals(stop: Callable[[], None]) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()
        # Saying goodbye blocks inside libavformat, where no Python code runs; SIGALRM's
        # default action ends the process even then.
        signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN_S)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


if __name__ == "__main__":
    sys.exit(main())
