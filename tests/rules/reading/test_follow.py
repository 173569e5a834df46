"""Files that grow, rotate, shrink, vanish and come back: each line once, in its order."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rules.reading.follow import LINGER, LOOK_AGAIN, Follower, follow
from rules.reading.growing import Growing
from rules.reading.source import SourceError
from rules.reading.window import Window
from tests.waiting import wait_until


def unexpected(error: SourceError) -> None:
    raise AssertionError(error)


class Reader:
    """Consumes all that is shown."""

    def __init__(self, *patterns: object, **options: bool) -> None:
        self.problems: list[str] = []
        self.lines: list[str] = []
        self.follower = Follower(
            [str(pattern) for pattern in patterns], lambda error: self.problems.append(str(error)), **options
        )

    def look(self) -> list[str]:
        """The lines that are new."""
        new = taken(self.follower.look())
        self.lines += new
        return new

    def wait_for(self, *lines: str) -> None:
        wait_until(lambda: self.look() and self.lines[-len(lines) :] == list(lines), what=str(lines))


def taken(shown: Iterator[Growing]) -> list[str]:
    lines = []
    for growing in shown:
        lines += bytes(growing.window.text).decode().splitlines()
        growing.window.consume(len(growing.window.text))
    return lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("one\ntwo\n")
    return path


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def read() -> Iterator[Callable[..., Reader]]:
    readers: list[Reader] = []

    def make(*patterns: object, **options: bool) -> Reader:
        readers.append(Reader(*patterns, **options))
        return readers[-1]

    yield make
    for reader in readers:
        reader.follower.close()
        assert not reader.problems


Read = Callable[..., Reader]


def test_what_is_there_is_read_and_then_what_is_added(log: Path, read: Read) -> None:
    reader = read(log)
    assert reader.look() == ["one", "two"]
    assert reader.look() == []
    add(log, "three\n")
    assert reader.look() == ["three"]


def test_only_what_is_added_is_read_on_request(log: Path, read: Read) -> None:
    reader = read(log, from_end=True)
    assert reader.look() == []
    add(log, "three\n")
    assert reader.look() == ["three"]


def test_a_half_line_is_waited_for_and_given_after_a_while(log: Path, read: Read) -> None:
    reader = read(log)
    add(log, "thr")
    assert reader.look() == ["one", "two"]
    assert reader.look() == []
    add(log, "ee\nfo")
    assert reader.look() == ["three"]
    reader.wait_for("fo")


def test_lines_that_wait_for_more_settle(log: Path) -> None:
    with closing(Follower([str(log)], unexpected)) as follower:
        [settled] = [growing.window.settled for growing in follower.look()]
        assert not settled
        shown: list[bytes] = []

        def has_settled() -> bool:
            for growing in follower.look():
                assert growing.window.settled
                shown.append(bytes(growing.window.text))
            return bool(shown)

        wait_until(has_settled)
        assert shown == [b"one\ntwo\n"]
        assert not list(follower.look())


def test_rotation_by_rename_reads_what_came_between(log: Path, read: Read) -> None:
    reader = read(log)
    reader.look()
    with log.open("a") as old:
        for generation in range(2):
            Path(f"{log}.1").exists() and Path(f"{log}.1").rename(f"{log}.2")
            log.rename(f"{log}.1")
            log.write_text(f"of generation {generation}\n")
        old.write("late\n")
    assert reader.look() == ["late", "of generation 0", "of generation 1"]


def test_of_a_file_that_is_copied_and_cut_the_copy_is_read_to_its_end(log: Path, read: Read) -> None:
    add(log, "x" * 300 + "\nwhat was read\n")
    reader = read(f"{log}*")
    reader.look()
    add(log, "what was not\n")
    Path(f"{log}.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    add(log, "anew\n")
    assert reader.look() == ["what was not", "anew"]
    time.sleep(1.1)  # the glob is looked at again
    assert reader.look() == []


def test_a_file_that_shrinks_is_read_on_from_its_end(log: Path, read: Read) -> None:
    reader = read(log)
    reader.look()
    os.truncate(log, 4)
    assert reader.look() == []
    add(log, "zwei\n")
    assert reader.look() == ["zwei"]


def test_a_file_that_is_written_anew_is_read_from_its_start(log: Path, read: Read) -> None:
    reader = read(log)
    reader.look()
    log.write_text("another\nand longer than it was\n")
    assert reader.look() == ["another", "and longer than it was"]


def test_a_file_may_vanish_and_come_back(log: Path, read: Read) -> None:
    reader = read(log)
    reader.look()
    aside = log.rename(log.parent / "aside")
    add(aside, "meanwhile\n")
    assert reader.look() == ["meanwhile"]
    wait_until(lambda: reader.look() or not open_files(aside), within=LINGER + 10, what="the file to be let go")
    add(aside, "later\n")
    aside.rename(log)
    assert reader.look() == ["later"]
    log.unlink()
    wait_until(lambda: reader.look() or not open_files(log.parent), within=LINGER + 10, what="it to be let go")
    log.write_text("new\n")  # perhaps with the same inode
    assert reader.look() == ["new"]


def open_files(below: Path) -> list[str]:
    """Which files at or below a path this process holds, removed ones too."""
    held = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            held.append(str(link.readlink()))
        except FileNotFoundError:
            pass
    return [path for path in held if path.startswith(str(below))]


def test_files_that_come_later_are_found(tmp_path: Path, read: Read) -> None:
    reader = read(tmp_path / "*.log", tmp_path / "named.txt")
    assert reader.look() == []
    (tmp_path / "named.txt").write_text("named\n")
    (tmp_path / "new.log").write_text("new\n")
    wait_until(lambda: reader.look() and len(reader.lines) == 2)
    assert sorted(reader.lines) == ["named", "new"]


def test_what_cannot_be_followed_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(b"\x1f\x8b\x08" + bytes(9))
    os.mkfifo(tmp_path / "fifo.log")
    reader = Reader(tmp_path / "app.log", tmp_path / "fifo.log", tmp_path / "missing.log")
    for _ in range(3):
        assert reader.look() == []
    assert [problem.partition(": ")[2][:14] for problem in reader.problems] == ["is an archive,", "is no regular "]


def test_many_quiet_files_take_no_memory(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.log").write_text("one\n" * 10)
    before = resident()
    reader = Reader(tmp_path)
    assert len(reader.look()) == 3000
    assert resident() - before < 20 << 20
    reader.follower.close()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_a_storm_of_rotations_loses_and_repeats_nothing(tmp_path: Path, pattern: str) -> None:
    log, seen = tmp_path / "logs" / "app.log", tmp_path / "seen"
    log.parent.mkdir()
    log.touch()
    seen.touch()
    seed = random.randrange(1000)
    print("seed", seed)
    script = Path(__file__).with_name("rotating_writer.py")
    writer = subprocess.Popen(
        [sys.executable, str(script), str(log), str(seen), str(seed), "4"], stdout=subprocess.PIPE, text=True
    )
    numbers: list[int] = []
    ended: list[float] = []

    def stop() -> bool:
        if writer.poll() is not None:
            ended.append(time.monotonic())
        return bool(ended) and time.monotonic() - ended[0] > LOOK_AGAIN

    for growing in follow([str(log.parent / pattern)], unexpected, stop=stop):
        numbers += [int(line.split()[0]) for line in bytes(growing.window.text).splitlines()]
        growing.window.consume(len(growing.window.text))
        seen.with_suffix(".new").write_text(str(max(numbers)))
        seen.with_suffix(".new").rename(seen)
    out, _ = writer.communicate()
    last = int(out)
    assert (sorted(set(range(1, last + 1)) - set(numbers)), [n for n, c in Counter(numbers).items() if c > 1]) == (
        [],
        [],
    )


def test_a_line_of_a_gigabyte_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"first\n")
    os.truncate(path, 1 << 30)
    add(path, "\nlast\n")
    read = (
        "import sys\n"
        "from rules.reading.opening import open_source\n"
        "from rules.reading.window import Window\n"
        "with open_source(sys.argv[1]) as source:\n"
        "    window, lines = Window(source.read), []\n"
        "    while not window.ended:\n"
        "        window.fill()\n"
        "        lines += [(line[:9], len(line)) for line in bytes(window.text).splitlines(keepends=True)]\n"
        "        window.consume(len(window.text))\n"
        "print(lines, window.start, open('/proc/self/status').read().partition('VmHWM:')[2].split()[0], sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", read, str(path)], capture_output=True, text=True, check=True)
    lines, end, most = done.stdout.splitlines()
    long = b"\0" * 9, Window.SIZE
    assert lines == repr([(b"first\n", 6), long, (b"\n", 1), (b"last\n", 5)])
    assert int(end) == path.stat().st_size
    assert int(most) < 50 << 10  # KiB
