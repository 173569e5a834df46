"""A running `tocsin up` for the tests: a real process in a folder of its own, on ports of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis

from examples.sinks import MailSink, SlackSink
from logging_core.streams.connection import connect
from tests.waiting import free_port

PATIENCE = 40.0  #: seconds that a part may take to do what it should
MARKERS = {"redis": "-server", "ingest": "ingest@", "beat": "beat"}  #: a word of the command line

CONFIGURATION = """\
alerts: {{config: alertmanager.yml}}
scan:
  interval: 1
  sources: [{{name: foreign, paths: [foreign/*.log]}}]
recovery:
  cooldown: 5
  cache_folders: [{{name: cache, path: {cache}, max_bytes: 50000, min_age: 1}}]
"""
ALERTMANAGER = """\
route: {{receiver: team}}
receivers:
  - name: team
    slack_configs: [{{api_url: '{slack}', send_resolved: true}}]
    email_configs:
      - {{to: team@example.org, from: tocsin@example.org, smarthost: '{mail}', require_tls: false, send_resolved: true}}
"""


@dataclass
class Stack:
    """A running `tocsin up`."""

    folder: Path
    web_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    shown: list[str] = field(default_factory=list)

    slack: SlackSink | None = None
    mail: MailSink | None = None
    extra: dict[str, str] = field(default_factory=dict)  #: more of its environment; REDIS_URL: no embedded server

    def __post_init__(self) -> None:
        if self.slack and self.mail:
            self.cache.mkdir()
            self.foreign_log.parent.mkdir()
            (self.folder / "tocsin.yml").write_text(CONFIGURATION.format(cache=self.cache))
            told = ALERTMANAGER.format(slack=self.slack.url, mail=self.mail.smarthost)
            (self.folder / "alertmanager.yml").write_text(told)
        self.up = self.start("up")

    @property
    def log_dir(self) -> Path:
        return self.folder / "logs"

    @property
    def cache(self) -> Path:
        """A folder that `clean_cache` keeps at 50,000 bytes."""
        return self.folder / "cache"

    @property
    def foreign_log(self) -> Path:
        """A log file of another origin, scanned each second."""
        return self.folder / "foreign" / "worker.log"

    @property
    def redis_url(self) -> str:
        return self.extra.get("REDIS_URL") or f"redis://127.0.0.1:{self.redis_port}/0"

    @cached_property
    def redis(self) -> Redis:
        return connect(self.redis_url, connect_timeout=2, timeout=5)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
        ports = {"TOCSIN__REDIS__PORT": str(self.redis_port), "TOCSIN__WEB__PORT": str(self.web_port)}
        pace = {"TOCSIN__INGEST__BUDGET": "1"}  # a stop waits for the writer's budget to end
        return inherited | ports | pace | {"TOCSIN__DATA_DIR": ".tocsin", "LOG_DIR": "logs"} | self.extra

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "tocsin", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of another `tocsin` in the same folder."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def status(self) -> dict[str, Any]:
        _, out, _ = self.run("status", "--json")
        status: dict[str, Any] = json.loads(out)
        return status

    def read_until(self, text: str) -> str:
        """The line of our `tocsin up` that holds the text."""
        assert self.up.stdout
        for line in self.up.stdout:
            self.shown.append(line)
            if text in line:
                return line
        pytest.fail(f"tocsin up ended without {text!r}: {self.shown} {self.up.stderr and self.up.stderr.read()}")

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.up.pid).children(recursive=True)

    def main_process(self, program: str) -> psutil.Process | None:
        (supervisord,) = psutil.Process(self.up.pid).children()
        marker = MARKERS[program]
        for each in living(supervisord.children()):
            if any(marker in word for word in each.cmdline()):
                return each
        return None

    def ended(self) -> int:
        """The exit code, once it has stopped."""
        code = self.up.wait(timeout=PATIENCE)
        for stream in (self.up.stdout, self.up.stderr):
            assert stream
            stream.close()
        return code


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
