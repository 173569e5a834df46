"""Real web servers for the tests: processes of their own that answer on a port of loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.waiting import free_port, wait_until


class WebServer:
    """A server that has answered once; `folder` has the files of what it logs."""

    def __init__(self, port: int, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.process = process

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask over a connection of its own, so that any worker may answer."""
        sent = {"Connection": "close"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.url + path, headers=sent, timeout=20)

    def records(self, name: str = "app", **fields: Any) -> list[dict[str, Any]]:
        """The records in one of the files that have these fields."""
        path = self.folder / f"{name}.log"
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # the last line may be on its way
        records = [json.loads(line) for line in whole.splitlines()]
        return [each for each in records if fields.items() <= each.items()]

    def wait_for(self, count: int = 1, name: str = "app", **fields: Any) -> list[dict[str, Any]]:
        """The same, as soon as there are so many of them."""
        wait_until(lambda: len(self.records(name, **fields)) >= count, what=f"{count} records with {fields}")
        return self.records(name, **fields)


@contextmanager
def serving(command: Sequence[str], port: int, folder: Path, **environment: str) -> Iterator[WebServer]:
    """A server of our own, that ends as it is asked to; what it says is in the file `output` beside its logs."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output"
    inherited = os.environ | {"LOG_DIR": str(folder), "PYTHONWARNINGS": "error"} | environment
    with output.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=Path(__file__).parent / "logging_core/web",
            env={name: value for name, value in inherited.items() if name != "REDIS_URL"},
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )
    server = WebServer(port, folder, process)
    try:
        wait_until(lambda: _answers(server), what=f"{command[0]} to answer")
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            print(output.read_text())


@contextmanager
def gunicorn(app: str, folder: Path, *options: str, configuration: str = "", **environment: str) -> Iterator[WebServer]:
    """Gunicorn with two workers."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "gunicorn.conf.py"
    file.write_text(configuration)
    options = ("-c", str(file), "-w", "2", "-b", f"127.0.0.1:{port}", *options)
    with serving(["gunicorn", *options, app], port, folder, **environment) as server:
        yield server


def _answers(server: WebServer) -> bool:
    if server.process.poll() is not None:
        raise AssertionError((server.folder / "output").read_text())
    try:
        server.get("/metrics")
    except requests.ConnectionError:
        return False
    return True
