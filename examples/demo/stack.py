"""The processes of the demo: `tocsin up`, and the shop under gunicorn, with their settings in one folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import requests
import yaml

from examples.sinks import LOOPBACK

RULES = Path(__file__).parent.parent / "demo-rules.yml"
SERVICE = "shop"
WORKERS = 2  #: processes of gunicorn
QUOTA = 16 * 65_536  #: bytes that the shop's cache folder may hold
CLEANED = QUOTA // 2  #: bytes that `clean_cache` leaves in it
STOPPING = 30.0  #: seconds


class DemoError(Exception):
    """A stage that nothing can follow did not come about; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run of the demo keeps everything, and the ports it uses."""

    folder: Path
    redis_port: int
    web_port: int
    shop_port: int

    @classmethod
    def choose(cls, folder: Path) -> "Place":
        """Three free ports."""
        with ExitStack() as stack:
            probes = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(3)]
            return cls(folder, *(probe.getsockname()[1] for probe in probes))

    @property
    def cache(self) -> Path:
        """The folder that fills."""
        return self.folder / "cache"

    @property
    def app_log(self) -> Path:
        """Every record of the shop."""
        return self.folder / "logs" / SERVICE / "app.log"

    @property
    def config(self) -> Path:
        """Tocsin's settings."""
        return self.folder / "tocsin.yml"

    @property
    def environment(self) -> dict[str, str]:
        """Of all processes: nothing that is set outside reaches into the demo."""
        foreign = ("TOCSIN", "SHOP_", "REDIS_URL", "LOG_DIR", "LOG_LEVEL", "SLACK_WEBHOOK_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"TOCSIN_CONFIG": str(self.config)}

    def status(self) -> dict[str, Any]:
        """What `tocsin status` says, asked of the web process."""
        answer: dict[str, Any] = requests.get(f"http://{LOOPBACK}:{self.web_port}/status", timeout=5).json()
        return answer

    def write_settings(self, slack_url: str, smarthost: str) -> None:
        """Write tocsin.yml and alertmanager.yml."""
        self.cache.mkdir()
        alertmanager = self.folder / "alertmanager.yml"
        alertmanager.write_text(yaml.safe_dump(_alertmanager(slack_url, smarthost)))
        errors = self.app_log.with_name("errors.log")
        settings = {
            "log_dir": str(self.folder / "logs"),
            "data_dir": str(self.folder / "data"),
            "redis": {"port": self.redis_port},
            "web": {"port": self.web_port},
            "rules": {"files": [str(RULES)], "interval": 1.0},
            "alerts": {"config": str(alertmanager)},
            "scan": {"interval": 1.0, "sources": [{"name": SERVICE, "paths": [str(errors)]}]},
            "recovery": {
                "cooldown": 5.0,
                "cache_folders": [
                    {"name": "thumbnails", "path": str(self.cache), "max_bytes": CLEANED, "min_age": 0.0}
                ],
            },
        }
        self.config.write_text(yaml.safe_dump(settings))

    def left_over(self) -> list[str]:
        """The command lines of all living processes that belong to this run."""
        return [" ".join(process.cmdline()) for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and process.environ().get("TOCSIN_CONFIG") == str(self.config)
        except psutil.Error:  # somebody else's, or gone
            return False


def _alertmanager(slack_url: str, smarthost: str) -> dict[str, Any]:
    return {
        "global": {
            "slack_api_url": slack_url,
            "smtp_smarthost": smarthost,
            "smtp_from": "tocsin@shop.example",
            "smtp_require_tls": False,
        },
        "route": {"receiver": "people"},
        "receivers": [
            {
                "name": "people",
                "slack_configs": [{"channel": "#shop", "send_resolved": True}],
                "email_configs": [{"to": "on-call@shop.example", "send_resolved": True}],
            }
        ],
    }


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

    def await_line(self, text: str, timeout: float) -> None:
        """Wait until it has printed a text.

        Raises:
            DemoError: it ended before, or it takes too long; with what it printed.
        """
        deadline = time.monotonic() + timeout
        while text not in (printed := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"{self._name} did not start:\n{printed}")
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
        "REDIS_URL": f"redis://{LOOPBACK}:{place.redis_port}/0",
        "SHOP_CACHE_DIR": str(place.cache),
        "SHOP_CACHE_QUOTA": str(QUOTA),
        "SHOP_RECOMMENDER": recommender,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return Program("gunicorn", [*command, *words], environment, place.folder)
