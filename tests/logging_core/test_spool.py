"""The spool survives its process, has one owner at a time, and never shows a torn line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from logging_core.spool import SEGMENT_SIZE, SpoolBuffer, orphans, spool_root

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from logging_core.spool import SpoolBuffer
buffer = SpoolBuffer(Path(sys.argv[1]), "shop")
for number in range(1, 5001):
    buffer.put(b"%d " % number + b"x" * 400 + b"\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_accepted_is_adopted_whole_and_in_order(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (buffer,) = orphans(tmp_path)
    assert (buffer.service, buffer.accepted) == ("shop", 5000)
    numbers = []
    while batch := buffer.take(100_000):
        assert batch.first == len(numbers) + 1
        numbers += [int(line.split()[0]) for line in batch.body.splitlines()]
    assert numbers == list(range(1, 5001))
    buffer.close(5000)
    assert list(tmp_path.iterdir()) == []


def test_a_held_spool_is_nobody_elses(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    buffer.put(b"1\n")
    assert list(orphans(tmp_path)) == []
    buffer.close(0)
    (adopted,) = orphans(tmp_path)
    assert adopted.producer == buffer.producer
    assert list(orphans(tmp_path)) == []
    adopted.close(0)


def test_a_line_is_there_or_it_is_not(tmp_path: Path) -> None:
    """The bytes of a line without the word that publishes them, as a process killed in between leaves them."""
    buffer = SpoolBuffer(tmp_path, "shop")
    buffer.put(b"first\n")
    segment = buffer._segments[0]
    segment.map[segment.end : segment.end + 4] = b"torn"
    buffer.close(0)
    (adopted,) = orphans(tmp_path)
    batch = adopted.take(1000)
    assert batch is not None
    assert batch.body == b"first\n"
    adopted.close(0)


def test_a_forked_child_lets_go_of_the_spool_and_the_parent_keeps_it(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    buffer.put(b"1\n")
    pid = os.fork()
    if pid == 0:
        buffer.abandon()
        os._exit(0 if list(orphans(tmp_path)) == [] else 1)  # still the parent's
    assert os.waitpid(pid, 0)[1] == 0
    assert buffer.put(b"2\n")
    buffer.close(0)
    (adopted,) = orphans(tmp_path)  # no descriptor of the child keeps it locked
    assert adopted.accepted == 2
    adopted.close(2)


def test_records_above_the_committed_mark_are_left_and_those_below_are_not(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    for _ in range(3000):
        buffer.put(b"y" * 1000 + b"\n")
    while buffer.take(SEGMENT_SIZE):
        pass
    buffer.release(3000, 2500)
    buffer.close(2500)
    (adopted,) = orphans(tmp_path)
    batch = adopted.take(100)
    assert batch is not None
    assert 1 < batch.first <= 2501
    assert adopted.accepted == 3000
    adopted.close(3000)


def test_a_signal_handler_may_log_while_its_thread_is_logging(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    signal.signal(signal.SIGALRM, lambda *_: buffer.put(b"from the handler\n") and None)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(50_000):
            buffer.put(b"from the loop\n")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    buffer.put(b"last\n")
    lines: list[bytes] = []
    while batch := buffer.take(SEGMENT_SIZE):
        lines += batch.body.splitlines()
    assert lines.count(b"from the loop") == 50_000
    assert lines.count(b"from the handler") > 10
    assert set(lines) == {b"from the loop", b"from the handler", b"last"}
    assert buffer.accepted == len(lines)
    buffer.close(0)


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(PermissionError, match="writable by others"):
        SpoolBuffer(root, "shop")


def test_every_name_of_this_machine_is_one_folder() -> None:
    assert (
        spool_root("/s", "localhost", 6390, 0) == spool_root("/s", "127.0.0.1", 6390, 0) == Path("/s/127.0.0.1_6390_0")
    )


def test_a_full_tmpfs_refuses_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    buffer = SpoolBuffer(tmp_path, "shop")
    assert not buffer.put(b"1\n")
    assert buffer.refused == {"spool_full": 1}
    buffer.close(0)
