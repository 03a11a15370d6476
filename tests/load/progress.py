"""What a long run says while it lasts, and how it ends before its time."""

from __future__ import annotations

import sys
from collections.abc import Callable


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def until_interrupted(main: Callable[[], int]) -> int:
    """The exit code. Ctrl-C ends `main` without a traceback; what it has started is stopped on the way."""
    try:
        return main()
    except KeyboardInterrupt:
        say("interrupted")
        return 130
