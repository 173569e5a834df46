"""Where one run of the demo keeps everything, and the settings that it writes there for Tocsin."""

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from examples.sinks import LOOPBACK

RULES = Path(__file__).parent.parent / "demo-rules.yml"
SERVICE = "shop"
QUOTA = 16 * 65_536  #: bytes that the shop's cache folder may hold
CLEANED = QUOTA // 2  #: bytes that `clean_cache` leaves in it


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
        foreign = ("TOCSIN", "SHOP_", "REDIS_URL", "LOG_DIR", "LOG_LEVEL", "SLACK_WEBHOOK_URL", "GUNICORN")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"TOCSIN_CONFIG": str(self.config)}

    @property
    def redis_url(self) -> str:
        """Of the embedded server."""
        return f"redis://{LOOPBACK}:{self.redis_port}/0"

    @property
    def status_url(self) -> str:
        """Where the web process says what `tocsin status --json` says."""
        return f"http://{LOOPBACK}:{self.web_port}/status"

    def status(self) -> dict[str, Any]:
        """How everything is."""
        answer: dict[str, Any] = requests.get(self.status_url, timeout=5).json()
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
