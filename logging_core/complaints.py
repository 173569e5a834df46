"""Where logging itself cannot tell what went wrong with it: one line on stderr."""

import os
import select
import sys
from typing import Any, TextIO

_MOST = 600  #: characters, of six bytes at most; a pipe that is ready takes 4096 without waiting


def complain(text: str) -> None:
    """Tell whoever runs the application, unless that would mean waiting: it runs in threads of the application."""
    try:
        data = f"tocsin: {text[:_MOST]}\n"
        number = descriptor(sys.stderr)
        if number is None:
            sys.stderr.write(data)
        elif _is_ready(number):
            os.write(number, data.encode("utf-8", "backslashreplace"))  # the stream's own lock may be held by a waiter
    except Exception:  # noqa: BLE001, S110  # a closed stderr must not hurt the application
        pass


def descriptor(stream: TextIO) -> int | None:
    """Of a real stream; None for one that somebody has put in its place.

    Raises:
        OSError, ValueError: the stream is closed.
    """
    fileno: Any = getattr(stream, "fileno", None)
    try:
        number: int | None = fileno() if fileno else None
    except (OSError, ValueError):
        if getattr(stream, "closed", False):
            raise
        return None
    return number


def _is_ready(number: int) -> bool:
    """Whether it takes something at once. gevent's `poll` would let others run meanwhile, or could not in its hub."""
    monkey = sys.modules.get("gevent.monkey")
    poll: Any = (monkey.get_original("select", "poll") if monkey else select.poll)()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(0))
