"""The programs of the demo: `tocsin up`, and the shop under gunicorn."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from examples.demo.place import QUOTA, Place
from examples.sinks import LOOPBACK

WORKERS = 2  #: processes of gunicorn
STOPPING = 30.0  #: seconds


class StartError(Exception):
    """A program did not start; the text says which, and what it printed."""


class Program:
    """A process in a session of its own, so that Ctrl-C reaches it only through us. What it prints goes to a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self._name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def await_text(self, text: str, *, timeout: float, times: int = 1) -> None:
        """Wait until it has printed a text, so many times.

        Raises:
            StartError: it ended before, or it takes too long; with what it printed.
        """
        deadline = time.monotonic() + timeout
        while (printed := self._log.read_text(errors="replace")).count(text) < times:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"{self._name} did not start:\n{printed}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def tocsin_up(place: Place) -> Program:
    """The whole of Tocsin."""
    return Program("tocsin", [sys.executable, "-m", "tocsin", "up"], place.environment, place.folder)


def shop(place: Place, recommender: str) -> Program:
    """The shop, whose recommendations come from HOST:PORT."""
    command = [sys.executable, "-m", "gunicorn", "examples.shop:create_app()"]
    options = {"bind": f"{LOOPBACK}:{place.shop_port}", "workers": WORKERS, "threads": 4, "keep-alive": 30}
    environment = place.environment | {
        "REDIS_URL": place.redis_url,
        "SHOP_CACHE_DIR": str(place.cache),
        "SHOP_CACHE_QUOTA": str(QUOTA),
        "SHOP_RECOMMENDER": recommender,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return Program("gunicorn", [*command, *words], environment, place.folder)
