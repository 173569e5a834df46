"""What a buffer does when it is full of records that are not in the stream.

    drop_newest   the new record is refused
    drop_oldest   the oldest are dropped, and declared (gap.py), so that the new one is accepted
    drop_lowest   as it fills, DEBUG is refused, then INFO, then WARNING; ERROR and above only when it is full
    block         the caller waits for room, for so long and no longer; then the new record is refused

What is refused was never numbered; it is counted by reason. What was accepted is dropped by `drop_oldest` alone.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Overflow = Literal["drop_newest", "drop_oldest", "drop_lowest", "block"]
OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)

#: From this share of the buffer on, records below this level are refused by `drop_lowest`.
_FLOORS = ((0.85, logging.ERROR), (0.70, logging.WARNING), (0.50, logging.INFO))


@dataclass(frozen=True, slots=True)
class Policy:
    """One buffer's choice."""

    overflow: Overflow = "drop_newest"
    block_timeout: float = 1.0  #: seconds

    @property
    def asks(self) -> bool:
        """Whether a record is offered, with its level, rather than put."""
        return self.overflow in ("drop_lowest", "block")


def floor(fill: float) -> int:
    """The lowest level that `drop_lowest` accepts, when this share of the buffer is taken."""
    return next((level for share, level in _FLOORS if fill >= share), logging.NOTSET)


class Room:
    """Where callers wait for room, without the buffer's lock, however often their thread holds it."""

    def __init__(self, lock: threading.RLock) -> None:
        self._condition = threading.Condition(lock)
        self._shipper: int | None = None
        self._waiting: set[int] = set()  # threads

    def never_waits(self) -> None:
        """The calling thread takes records out: what it logs itself cannot wait for that."""
        self._shipper = threading.get_ident()

    def wait_for(self, has_room: Callable[[], bool], timeout: float) -> bool:
        """Wait until there is room, so many seconds at most; whether there is. The lock is held."""
        thread = threading.get_ident()
        if thread == self._shipper or thread in self._waiting:  # a signal handler, in a thread that waits already
            return has_room()
        self._waiting.add(thread)
        try:
            return self._condition.wait_for(has_room, timeout)
        finally:
            self._waiting.discard(thread)

    def notify(self) -> None:
        """Look again. The lock is held."""
        if self._waiting:
            self._condition.notify_all()
