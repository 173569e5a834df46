"""A reader of what we print that has gone: `tocsin ... | head`."""

import os
import select
from typing import IO, Any


def is_abandoned(stream: IO[Any]) -> bool:
    """Whether whoever read it has gone."""
    watch = select.poll()
    watch.register(stream, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def abandon(stream: IO[Any]) -> None:
    """What was not written yet goes nowhere, so that the interpreter can end without a complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
