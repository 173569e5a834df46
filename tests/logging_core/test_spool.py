"""The spool survives its process, has one owner at a time, and never shows a torn line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from logging_core.buffers.adoption import orphans
from logging_core.buffers.segment import SIZE
from logging_core.buffers.spool import SpoolBuffer, spool_root

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from logging_core.buffers.spool import SpoolBuffer
buffer = SpoolBuffer(Path(sys.argv[1]), "shop")
for number in range(1, 5001):
    buffer.put(b"%d " % number + b"x" * 400 + b"\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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
    while buffer.take(SIZE):
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
    while batch := buffer.take(SIZE):
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


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("redis://localhost:6390/0", "127.0.0.1_6390_0"),
        ("redis://:secret@127.0.0.1:6390", "127.0.0.1_6390_0"),
        ("redis://cache:6379/2", "cache_6379_2"),
        ("redis://cache:6379?db=3", "cache_6379_3"),
        ("unix:///run/redis.sock?db=1", "unix_run_redis.sock_1"),
    ],
)
def test_every_redis_has_a_folder_of_its_own_by_whatever_name(url: str, folder: str) -> None:
    assert spool_root(url, "/s") == Path("/s", folder)


def test_a_spool_is_emptied_before_it_is_kept_for_reuse(tmp_path: Path) -> None:
    """Lines that are committed and gone are not taken for waiting ones, with a gap behind them, by who adopts."""
    buffer = SpoolBuffer(tmp_path, "shop")
    for _ in range(3500):
        buffer.put(b"y" * 1000 + b"\n")
    while buffer.take(SIZE):
        pass
    buffer.release(2000, 2000)
    buffer.close(0)
    (adopted,) = orphans(tmp_path)
    first = adopted.take(100)
    assert first is not None
    assert 1 < first.first <= 2001
    adopted.close(3500)


def test_seeking_into_a_gap_goes_to_what_is_behind_it(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    for _ in range(3500):
        buffer.put(b"y" * 1000 + b"\n")
    second = buffer._segments[1]
    behind = second.last + 1
    buffer.close(0)
    second.path.unlink()
    (adopted,) = orphans(tmp_path)
    assert adopted.seek(second.first) == behind
    batch = adopted.take(100)
    assert batch is not None
    assert batch.first == behind
    adopted.close(3500)


def test_a_killed_process_leaves_no_folder_once_its_records_are_committed(tmp_path: Path) -> None:
    """The segment that was kept ready goes too."""
    program = WRITE_AND_DIE.replace("os.kill", "buffer.release(0, 0)\nos.kill")
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert len(list(tmp_path.glob("*/*.segment"))) == 3
    (buffer,) = orphans(tmp_path)
    buffer.close(5000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o002, 0o000, 0o077])
def test_any_umask_will_do(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        buffer = SpoolBuffer(tmp_path / "tocsin-1" / "redis", "shop")
    finally:
        os.umask(before)
    buffer.close(0)


def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "lock").write_text("mine")
    root = tmp_path / "root"
    (root / ("a" * 32)).mkdir(parents=True, mode=0o700)
    root.chmod(0o700)
    (root / ("a" * 32) / "lock").symlink_to(tmp_path / "made")
    (root / ("b" * 32)).symlink_to(victim)
    assert list(orphans(root)) == []
    assert not (tmp_path / "made").exists()
    assert (victim / "lock").read_text() == "mine"


def test_nothing_is_adopted_from_a_folder_that_others_can_write_to(tmp_path: Path) -> None:
    root = tmp_path / "root"
    buffer = SpoolBuffer(root, "shop")
    buffer.put(b"1\n")
    buffer.close(0)
    root.chmod(0o777)
    assert list(orphans(root)) == []


def test_a_folder_that_cannot_be_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    for number in range(3):
        buffer = SpoolBuffer(tmp_path, "shop")
        buffer.put(b"%d\n" % number)
        if number == 1:
            (buffer._claim.folder / "x.segment").mkdir()
        buffer.close(0)
    before = descriptors()
    adopted = list(orphans(tmp_path))
    assert len(adopted) == 2
    for each in adopted:
        each.close(1)
    assert descriptors() == before


def test_a_forked_child_holds_no_claim_of_its_parent(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    buffer.put(b"1\n")
    buffer.close(0)
    (adopted,) = orphans(tmp_path)
    reader, writer = os.pipe()
    born, bears = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.write(bears, b"x")
        os.read(reader, 1)  # lives on until the parent has looked
        os._exit(0)
    os.read(born, 1)
    adopted.close(0)
    (again,) = orphans(tmp_path)
    again.close(1)
    for end in (writer, reader, born, bears):
        os.close(end)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_line_longer_than_a_segment_is_refused_and_costs_none(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    assert not buffer.put(b"x" * SIZE + b"\n")
    assert buffer.refused == {"too_long": 1}
    assert list(tmp_path.glob("*/*.segment")) == []
    buffer.close(0)


def test_a_closed_buffer_refuses_and_keeps_its_numbers(tmp_path: Path) -> None:
    buffer = SpoolBuffer(tmp_path, "shop")
    buffer.put(b"1\n")
    buffer.close(0)
    assert not buffer.put(b"2\n")
    assert (buffer.accepted, buffer.refused) == (1, {"closed": 1})


def test_a_full_tmpfs_refuses_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    buffer = SpoolBuffer(tmp_path, "shop")
    assert not buffer.put(b"1\n")
    assert buffer.refused == {"spool_full": 1}
    buffer.close(0)
