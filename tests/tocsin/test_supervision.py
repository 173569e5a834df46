import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tocsin import supervision
from tocsin.programs import Layout

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.session.parent.mkdir()
    return layout


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def family():
    """The leader of a session, whose child does not listen to SIGTERM."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout
        leader.stdout.readline()
        yield psutil.Process(leader.pid)
        supervision.kill_session(leader.pid)


def test_killing_a_session_takes_the_children_too(family):
    children = family.children()
    killed = supervision.kill_session(family.pid)
    assert len(killed) == 2
    assert not any(_lives(child) for child in children)


def test_a_previous_stack_is_stopped_and_what_does_not_listen_is_killed(family, layout):
    layout.session.write_text(f"{family.pid} {family.create_time()}")
    (child,) = family.children()
    killed = supervision.stop_previous(layout)
    assert [command.split()[0] for command in killed] == [sys.executable]
    assert not _lives(child)
    assert not layout.session.exists()


def test_a_session_number_that_names_somebody_else_now_is_left_alone(family, layout):
    layout.session.write_text(f"{family.pid} {family.create_time() - 60}")
    assert supervision.stop_previous(layout) == []
    assert all(_lives(process) for process in (family, *family.children()))


@pytest.mark.parametrize("text", ["", "1"])
def test_a_session_file_that_was_half_written_is_ignored(layout, text):
    layout.session.write_text(text)
    assert supervision.stop_previous(layout) == []


def test_without_a_previous_stack_there_is_nothing_to_stop(layout):
    assert supervision.stop_previous(layout) == []


def test_supervisord_ends_when_the_process_that_started_it_is_gone():
    orphan = subprocess.run([sys.executable, "-m", "tocsin.supervisord", "1"], timeout=20)
    assert orphan.returncode == 0
