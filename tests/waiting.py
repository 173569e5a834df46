"""Deadlines instead of sleeps."""

import socket
import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], object], *, within: float = 20.0, what: str = "") -> None:
    """Poll until the condition holds; the deadline is generous, since only a hang should meet it."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:.0f} s in vain for {what or condition}")
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
