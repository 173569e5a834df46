"""A server of a small web application, in a process of its own, and what it has logged."""

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.logging_core.web import json_file
from tests.waiting import free_port, wait_until


class WebServer:
    def __init__(self, command: list[str], log: Path, **environment: str) -> None:
        """Start it; the command has `{port}` where the server shall listen."""
        self.log = log
        self.port = free_port()
        self.output = log.with_suffix(".output")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [part.format(port=self.port) for part in command],
                env=os.environ | {"SHOP_LOG": str(log)} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        # A connection for each request: the server may close one that rests just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, limits=limits)

    def __enter__(self) -> "WebServer":
        wait_until(self._answers, what="the server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            return self.client.get("/metrics").status_code == 200
        except httpx.TransportError:
            return False

    def records(self, **fields: Any) -> list[dict[str, Any]]:
        return [each for each in json_file.read(self.log) if fields.items() <= each.items()]

    def wait_for(self, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.records(**fields)) >= count, what=f"{count} records of {fields}")
        return self.records(**fields)
