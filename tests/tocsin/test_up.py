"""`tocsin up` as its user meets it: one real process in a folder of its own, on ports of its own."""

import json
import re
import signal
import time

import psutil
import pytest
import requests

from tests.stack import PATIENCE, Stack, living
from tests.waiting import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


def test_status_tells_of_the_writer_the_workers_and_beat(stack):
    status = stack.status()
    assert [worker["name"].split("@")[0] for worker in status["workers"]] == ["evaluate", "ingest", "worker"]
    assert status["beat"]["tick_age"] < 5
    assert status["accepted"] == status["written"]


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
    wait_until(
        lambda: stack.main_process(program) not in (None, killed), within=PATIENCE, what=f"{program} is started again"
    )
    since = time.monotonic()
    wait_until(lambda: _ticked_after(stack, since), within=PATIENCE, what="beat ticks and all is well")


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
    assert living(processes) == []


def test_a_second_signal_kills_at_once(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("stopping")
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("killed")
    assert stack.ended() == 0
    assert living(processes) == []


def test_when_up_is_killed_everything_ends_by_itself(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    stack.up.kill()
    stack.ended()
    wait_until(lambda: not living(processes), within=PATIENCE, what="everything has ended")


def test_when_the_supervisor_is_killed_everything_is_started_again(tmp_path):
    stack = Stack(tmp_path)
    stack.read_until("ready in")
    processes = stack.processes()
    (supervisord,) = psutil.Process(stack.up.pid).children()
    supervisord.kill()
    stack.read_until("supervisord was killed; starting everything again")
    stack.read_until("ready in")
    assert living(processes) == []
    stack.up.send_signal(signal.SIGINT)
    stack.read_until("stopped")
    assert stack.ended() == 0


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
    assert living(processes) == []
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
