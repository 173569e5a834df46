"""`tocsin up` as its user meets it: one real process in a folder of its own, on ports of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import requests

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
PATIENCE = 40.0
MARKERS = {"redis": "-server", "ingest": "ingest@", "beat": "beat"}  #: a word of the command line


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


@dataclass
class Stack:
    """A running `tocsin up`."""

    folder: Path
    web_port: int = field(default_factory=_free_port)
    redis_port: int = field(default_factory=_free_port)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.up = self.start("up")

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
        ports = {"TOCSIN__REDIS__PORT": str(self.redis_port), "TOCSIN__WEB__PORT": str(self.web_port)}
        return inherited | ports | {"TOCSIN__DATA_DIR": ".tocsin", "LOG_DIR": "logs"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tocsin", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of another `tocsin` in the same folder."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def status(self) -> dict:
        _, out, _ = self.run("status", "--json")
        return json.loads(out)

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
        for each in _living(supervisord.children()):
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


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("up"))
    stack.read_until("ready in")
    yield stack
    stack.up.send_signal(signal.SIGTERM)
    stack.ended()


def test_status_tells_of_the_writer_the_workers_and_beat(stack):
    status = stack.status()
    assert [worker["name"].split("@")[0] for worker in status["workers"]] == ["ingest", "worker"]
    assert status["beat"]["tick_age"] < 5
    assert status["delivery"]["accepted"] == status["delivery"]["written"]


def test_the_web_process_is_healthy_and_shows_the_status(stack):
    assert requests.get(f"{stack.url}/healthz", timeout=5).text == "ok"
    assert requests.get(f"{stack.url}/status", timeout=5).json().keys() == stack.status().keys()


def test_a_second_up_on_the_same_folder_names_the_first(stack):
    code, _, err = stack.run("up")
    assert (code, err.count("\n")) == (1, 1)
    assert re.search(rf"already runs on .*\.tocsin \(pid {stack.up.pid}\)", err)


def test_a_port_that_is_taken_is_told_with_its_setting(stack, tmp_path):
    other = Stack(tmp_path, web_port=stack.web_port)
    _, err = other.up.communicate(timeout=PATIENCE)
    assert (other.up.returncode, err.count("\n")) == (1, 1)
    assert f"port {stack.web_port} " in err
    assert "set TOCSIN__WEB__PORT" in err


@pytest.mark.parametrize("program", ["ingest", "beat", "redis"])
def test_a_program_that_is_killed_comes_back(stack, program):
    killed = stack.main_process(program)
    killed.kill()
    _wait_until(lambda: stack.main_process(program) not in (None, killed), f"{program} is started again")
    since = time.monotonic()
    _wait_until(lambda: _ticked_after(stack, since), "beat ticks and all is well")


def _ticked_after(stack: Stack, since: float) -> bool:
    try:
        return stack.status()["beat"]["tick_age"] < time.monotonic() - since and _is_healthy(stack)
    except json.JSONDecodeError:  # Redis is away
        return False


def _is_healthy(stack: Stack) -> bool:
    return requests.get(f"{stack.url}/healthz", timeout=5).ok


def test_ctrl_c_stops_everything(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("stopped")
    assert stack.ended() == 0
    assert _living(processes) == []


def test_a_second_signal_kills_at_once(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("stopping")
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("killed")
    assert stack.ended() == 0
    assert _living(processes) == []


def test_when_up_is_killed_everything_ends_by_itself(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    stack.up.kill()
    stack.ended()
    _wait_until(lambda: not _living(processes), "everything has ended")


def test_the_next_up_clears_away_what_no_supervisor_could_stop(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    (supervisord,) = psutil.Process(stack.up.pid).children()
    stack.up.kill()
    supervisord.kill()
    stack.ended()
    stack.up = stack.start("up")
    stack.read_until("killed what an earlier run left behind")
    stack.read_until("ready in")
    assert _living(processes) == []
    stack.up.send_signal(signal.SIGINT)
    assert stack.ended() == 0


def test_what_cannot_start_is_named_with_the_end_of_its_log(tmp_path):
    (tmp_path / ".tocsin" / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / ".tocsin" / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    stack = Stack(tmp_path)
    _, err = stack.up.communicate(timeout=PATIENCE)
    assert stack.up.returncode == 1
    assert "redis keeps ending; the last lines of" in err
    assert "AOF manifest" in err
