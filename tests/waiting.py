"""Deadlines instead of sleeps, and ports that two test processes never choose at once."""

import itertools
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

import pytest

#: Below those that the kernel gives to connections; a node of a cluster has another one, 10,000 above its own.
PORTS = range(10_000, 20_000)
BLOCK = 100  #: ports that one process has for itself


def wait_until(condition: Callable[[], object], *, within: float = 20.0, what: str = "") -> None:
    """Poll until the condition holds; the deadline is generous, since only a hang should meet it."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:.0f} s in vain for {what or condition}")
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on, and that no other process of tests is about to listen on."""
    ports = _ports()
    while True:
        port = next(ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@cache
def _ports() -> Iterator[int]:
    """The ports of a block, over and over. A name without a file says that it is ours, until this process ends."""
    for start in random.SystemRandom().sample(PORTS[::BLOCK], len(PORTS) // BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            claim.bind(f"\0tocsin-tests-{start}")
            _CLAIMS.append(claim)
            return itertools.cycle(range(start, start + BLOCK))
        claim.close()
    pytest.fail("other processes of tests have all ports there are")


_CLAIMS: list[socket.socket] = []
