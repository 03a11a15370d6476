"""What a long run says while it lasts, and how it ends before its time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def until_interrupted(main: Callable[[], int]) -> int:
    """The exit code. Ctrl-C and SIGTERM end `main` without a traceback; what it has started is stopped on the way."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main()
    except KeyboardInterrupt:
        say("interrupted")
        return 130
