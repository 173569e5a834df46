"""Rotation and compression: wherever they end, each line is in exactly one file, and the next run completes them."""

import gzip
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from logging_core.storage import compression
from logging_core.storage.compression import compress_sealed
from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal, locked
from logging_core.storage.packing import format_named
from logging_core.storage.rotation import DAY, Rotation, generations, moving

NAME = "shop/app.log"
SMALL = Rotation(max_bytes=100, backups=50)
MAGIC = b"\x1f\x8b"  #: how gzip's files begin
LATER = 2.0**33  #: Unix seconds, after all that is written here


class Crash(BaseException):
    """The process ends here."""


class Writer:
    """The writer's side as the ingest task has it; the journal's mark of producer `p` is the last number written."""

    def __init__(self, log_dir: Path, rotation: Rotation = SMALL) -> None:
        self.journal = Journal(log_dir, 0)
        self.files = FileStore(log_dir, self.journal, rotation)

    def commit(self, count: int) -> None:
        first = self.journal.position("p") + 1
        lines = [b"%d\n" % number for number in range(first, first + count)]
        self.files.append(NAME, b"".join(lines[: count // 2]))
        self.files.append(NAME, b"".join(lines[count // 2 :]))
        self.journal.record(self.files.sync(), {"p": (first + count - 1, 0.0)})
        self.files.rotate()

    def close(self) -> None:
        self.files.close()
        self.journal.close()


@contextmanager
def writing(log_dir: Path, rotation: Rotation = SMALL) -> Iterator[Writer]:
    writer = Writer(log_dir, rotation)
    try:
        yield writer
    finally:
        writer.close()


def compress(log_dir: Path) -> int:
    return compress_sealed(log_dir, LATER, min_age=0)


def content(path: Path) -> bytes:
    """As zcat -f shows it, whatever the file is called."""
    data = path.read_bytes()
    if data.startswith(zstandard.FRAME_HEADER):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return gzip.decompress(data) if data.startswith(MAGIC) else data


def numbers(log_dir: Path) -> list[int]:
    """Every line of every generation, oldest first."""
    path = log_dir / NAME
    sealed = [each for _, files in sorted(generations(path).items(), reverse=True) for each in files]
    return [int(line) for each in [*sealed, path] if each.exists() for line in content(each).split()]


def names(log_dir: Path) -> list[str]:
    return sorted(each.name for each in (log_dir / "shop").iterdir())


def test_a_file_that_has_grown_is_sealed_and_the_oldest_goes(tmp_path: Path) -> None:
    with writing(tmp_path, Rotation(max_bytes=20, backups=2)) as writer:
        for _ in range(4):
            writer.commit(10)
        assert names(tmp_path) == ["app.log.1", "app.log.2"]
        writer.commit(1)
    assert names(tmp_path) == ["app.log", "app.log.1", "app.log.2"]
    assert numbers(tmp_path) == list(range(21, 42))


def test_a_small_file_is_left_alone_and_so_is_what_no_commit_has_reached(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(5)
        writer.files.append(NAME, b"x" * 1000 + b"\n")
        writer.files.rotate()
        assert names(tmp_path) == ["app.log"]


def test_fewer_backups_than_before_take_effect_with_the_next_rotation(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        for _ in range(6):
            writer.commit(50)
    compress(tmp_path)
    with writing(tmp_path, Rotation(max_bytes=100, backups=3)) as writer:
        writer.commit(50)
    assert names(tmp_path) == ["app.log.1", "app.log.2.gz", "app.log.3.gz"]
    assert numbers(tmp_path) == list(range(201, 351))


def test_a_new_day_seals_every_file_also_the_idle_ones_and_no_line_of_it_is_in_yesterdays(tmp_path: Path) -> None:
    midnight = (time.time() // DAY + 1) * DAY
    now = midnight - 10
    journal = Journal(tmp_path, 0)
    files = FileStore(tmp_path, journal, Rotation(max_bytes=0, interval=DAY), lambda: now)

    def write(name: str, data: bytes) -> None:
        files.rotate()
        files.append(name, data)
        journal.record(files.sync(), {})
        os.utime(tmp_path / name, (now, now))

    write("shop/app.log", b"1\n")
    write("desk/app.log", b"1\n")
    files.close()
    files = FileStore(tmp_path, journal, Rotation(max_bytes=0, interval=DAY), lambda: now)
    write("shop/app.log", b"2\n")
    now = midnight
    write("shop/app.log", b"3\n")
    assert (tmp_path / "shop/app.log.1").read_bytes() == b"1\n2\n"
    assert (tmp_path / "shop/app.log").read_bytes() == b"3\n"
    assert [path.name for path in (tmp_path / "desk").iterdir()] == ["app.log.1"]
    files.close()
    now += DAY
    FileStore(tmp_path, journal, Rotation(max_bytes=0, interval=DAY), lambda: now).close()
    assert not (tmp_path / "shop/app.log").exists()
    assert (tmp_path / "shop/app.log.1").read_bytes() == b"3\n"
    journal.close()


def test_files_that_were_compressed_in_another_format_move_on_under_their_names(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
        assert compress_sealed(tmp_path, LATER, min_age=0, packed=format_named("zstd")) == 1
        writer.commit(50)
        assert compress(tmp_path) == 1
        writer.commit(50)
        (tmp_path / "shop/app.log.3.zst").rename(tmp_path / "shop/app.log.3")  # a crash between two renames
        assert compress(tmp_path) == 2
    assert names(tmp_path) == ["app.log.1.gz", "app.log.2.gz", "app.log.3.zst"]
    assert numbers(tmp_path) == list(range(1, 151))


def test_what_only_looks_like_a_generation_is_left_alone(tmp_path: Path) -> None:
    others = ["app.log.20260219", "app.log.1.bak", "app.log.0", "other.log.1", "app.log-20260219.gz", "xapp.log.1"]
    (tmp_path / "shop").mkdir()
    for name in others:
        (tmp_path / "shop" / name).write_bytes(b"theirs\n")
    with writing(tmp_path, Rotation(max_bytes=1, backups=1)) as writer:
        writer.commit(1)
        writer.commit(1)
    assert compress(tmp_path) == 1
    assert names(tmp_path) == sorted(["app.log.1.gz", *others])


@pytest.mark.parametrize("before", [b"", b"theirs\n"])
def test_a_file_that_somebody_moved_away_is_not_rotated_nor_is_the_one_in_its_place(
    tmp_path: Path, before: bytes
) -> None:
    with writing(tmp_path) as writer:
        writer.commit(5)
        (tmp_path / NAME).rename(tmp_path / "shop/app.log-theirs")
        (tmp_path / NAME).write_bytes(before)
        writer.commit(50)
        writer.commit(1)
    assert names(tmp_path) == ["app.log", "app.log-theirs"]
    assert (tmp_path / NAME).read_bytes() == before + b"56\n"


def test_rotation_waits_while_a_compressed_file_is_put_in_its_place(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        with moving(tmp_path) as held:
            assert held
            writer.commit(50)
            assert names(tmp_path) == ["app.log"]
        writer.commit(10)
    assert names(tmp_path) == ["app.log.1"]


def test_a_rotation_that_fails_is_logged_and_writing_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "shop/app.log.1").mkdir(parents=True)
    with writing(tmp_path, Rotation(max_bytes=100, backups=1)) as writer:
        writer.commit(50)
        writer.commit(50)
    assert "is not rotated" in caplog.text
    (tmp_path / "shop/app.log.1").rmdir()
    with writing(tmp_path):
        assert names(tmp_path) == ["app.log.1"]
    assert numbers(tmp_path) == list(range(1, 101))


def test_sealed_files_are_compressed_and_read_the_same(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        for _ in range(3):
            writer.commit(50)
        writer.commit(1)
        (tmp_path / "shop/app.log.2").chmod(0o640)
        os.utime(tmp_path / "shop/app.log.2", (1, 2_000_000_000))
        assert compress(tmp_path) == 3
        writer.commit(50)
    assert names(tmp_path) == ["app.log.1", "app.log.2.gz", "app.log.3.gz", "app.log.4.gz"]
    status = (tmp_path / "shop/app.log.3.gz").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 2_000_000_000)
    assert subprocess.run(["gzip", "--test", tmp_path / "shop/app.log.3.gz"]).returncode == 0
    assert numbers(tmp_path) == list(range(1, 202))


def test_a_file_is_left_plain_for_some_time_after_its_last_line(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
    written = (tmp_path / "shop/app.log.1").stat().st_mtime
    assert compress_sealed(tmp_path, written + 59, min_age=60) == 0
    assert compress_sealed(tmp_path, written + 61, min_age=60) == 1


def test_what_is_still_written_to_is_not_compressed_even_under_another_name(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(5)
        (tmp_path / NAME).rename(tmp_path / "shop/app.log.1")
        assert compress(tmp_path) == 0
        writer.commit(5)
    with writing(tmp_path) as writer:
        writer.commit(5)
        assert compress(tmp_path) == 1
    assert numbers(tmp_path) == list(range(1, 16))


def test_neither_links_nor_what_somebody_else_compresses_is_touched(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
    (tmp_path / "shop/app.log.1.gz").write_bytes(b"half done")
    (tmp_path / "elsewhere").write_bytes(b"secret\n")
    (tmp_path / "shop/app.log.2").symlink_to(tmp_path / "elsewhere")
    assert compress(tmp_path) == 0
    assert names(tmp_path) == ["app.log.1", "app.log.1.gz", "app.log.2"]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """What somebody does between the compression of a file and its renaming."""

    def meanwhile(act: Callable[[], object]) -> None:
        write = compression._write

        def write_then_act(*args: object) -> None:
            write(*args)  # type: ignore[arg-type]
            act()

        monkeypatch.setattr(compression, "_write", write_then_act)

    return meanwhile


def test_a_file_that_is_rotated_on_while_it_is_compressed_is_found_under_its_new_number(
    tmp_path: Path, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
        meanwhile(lambda: writer.commit(50))
        assert compress(tmp_path) == 1
    assert names(tmp_path) == ["app.log.1", "app.log.2.gz"]
    assert numbers(tmp_path) == list(range(1, 101))


def test_a_file_that_is_rotated_out_while_it_is_compressed_does_not_come_back(
    tmp_path: Path, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    with writing(tmp_path, Rotation(max_bytes=100, backups=1)) as writer:
        writer.commit(50)
        meanwhile(lambda: writer.commit(50))
        assert compress(tmp_path) == 0
    assert names(tmp_path) == ["app.log.1"]
    assert numbers(tmp_path) == list(range(51, 101))


def test_a_file_that_grows_while_it_is_compressed_stays_plain(
    tmp_path: Path, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)

    def grow() -> None:
        with (tmp_path / "shop/app.log.1").open("ab") as file:
            file.write(b"51\n")

    meanwhile(grow)
    assert compress(tmp_path) == 0
    assert names(tmp_path) == ["app.log.1"]
    assert numbers(tmp_path) == list(range(1, 52))


def test_a_compressed_file_takes_its_place_only_while_nobody_moves_files(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
    with moving(tmp_path) as held:
        assert held
        assert compress(tmp_path) == 0
    assert names(tmp_path) == ["app.log.1"]
    assert compress(tmp_path) == 1


def test_one_compression_at_a_time(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.commit(50)
    with locked(tmp_path, "compression") as held:
        assert held
        assert compress(tmp_path) == 0
    assert compress(tmp_path) == 1


def test_a_plain_file_that_begins_like_a_compressed_one_is_compressed(tmp_path: Path) -> None:
    data = MAGIC + b" is how I begin\n"
    with writing(tmp_path, Rotation(max_bytes=1)) as writer:
        writer.files.append(NAME, data)
        writer.journal.record(writer.files.sync(), {})
        writer.files.rotate()
    assert compress(tmp_path) == 1
    assert gzip.decompress((tmp_path / "shop/app.log.1.gz").read_bytes()) == data


@contextmanager
def crashing_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The end comes after so many steps that change something on disk; the steps that were taken."""
    taken: list[str] = []

    def step(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def stepping(*args: object, **kwargs: object) -> object:
            result = real(*args, **kwargs)
            taken.append(name)
            if len(taken) == calls:
                raise Crash
            return result

        return stepping

    with monkeypatch.context() as patched:
        for owner, name in [
            *((os, name) for name in ("open", "write", "fsync", "fdatasync", "fchmod", "utime", "ftruncate")),
            *((Path, name) for name in ("rename", "unlink")),
        ]:
            patched.setattr(owner, name, step(name, getattr(owner, name)))
        yield taken


def crash_at_each_step(
    monkeypatch: pytest.MonkeyPatch, prepare: Callable[[], None], act: Callable[[], object], check: Callable[[], None]
) -> int:
    """How many steps `act` has; it was ended after each of them, and `check` held."""
    for calls in range(1, 1000):
        prepare()
        try:
            with crashing_after(calls, monkeypatch) as taken:
                act()
        except Crash:
            check()
        else:
            check()
            return len(taken)
    pytest.fail("it never ends")


def test_a_crash_after_any_step_of_a_rotation_leaves_each_line_once_and_the_next_writer_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_dir = tmp_path
    written = 0

    def prepare() -> None:
        nonlocal log_dir, written
        log_dir = tmp_path / str(time.monotonic_ns())
        with writing(log_dir) as writer:
            for _ in range(3):
                writer.commit(50)
            compress(log_dir)
            writer.commit(50)
            writer.commit(10)
            written = 210

    def act() -> None:
        writer = Writer(log_dir)
        try:
            writer.commit(50)  # seals
            writer.commit(1)
        finally:
            writer.close()

    def check() -> None:
        found = numbers(log_dir)
        assert found == list(range(1, len(found) + 1))  # even before anybody recovers, but for the tail
        with writing(log_dir) as writer:
            safe = writer.journal.position("p")
            assert safe >= written
            assert numbers(log_dir) == list(range(1, safe + 1))
            sealed = sorted(generations(log_dir / NAME))
            assert sealed == list(range(1, len(sealed) + 1))  # no number is left out
            writer.commit(50)
        assert numbers(log_dir) == list(range(1, safe + 51))

    assert crash_at_each_step(monkeypatch, prepare, act, check) > 15


def test_a_crash_after_any_step_of_a_compression_leaves_each_line_once_and_the_next_one_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_dir = tmp_path

    def prepare() -> None:
        nonlocal log_dir
        log_dir = tmp_path / str(time.monotonic_ns())
        with writing(log_dir) as writer:
            for _ in range(3):
                writer.commit(50)
            writer.commit(10)

    def check() -> None:
        assert numbers(log_dir) == list(range(1, 161))  # at every moment
        with writing(log_dir) as writer:
            writer.commit(50)
        assert numbers(log_dir) == list(range(1, 211))
        compress(log_dir)
        assert names(log_dir) == [f"app.log.{number}.gz" for number in (1, 2, 3, 4)]
        assert numbers(log_dir) == list(range(1, 211))

    assert crash_at_each_step(monkeypatch, prepare, lambda: compress(log_dir), check) > 15


WRITER = """
import random, sys
from pathlib import Path
from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal
from logging_core.storage.rotation import Rotation

journal = Journal(Path(sys.argv[1]), 0)
files = FileStore(Path(sys.argv[1]), journal, Rotation(max_bytes=1000, backups=999))
print("up", flush=True)
while True:
    first = journal.position("p") + 1
    last = first + random.randrange(200)
    for number in range(first, last + 1):
        files.append("shop/app.log", b"%d\\n" % number)
    journal.record(files.sync(), {"p": (last, 0.0)})
    files.rotate()
"""
COMPRESSOR = """
import sys
from pathlib import Path
from logging_core.storage.compression import compress_sealed

print("up", flush=True)
while True:
    compress_sealed(Path(sys.argv[1]), 2.0**33, min_age=0)
"""


@contextmanager
def running(program: str, log_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", program, str(log_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        try:
            yield process
        finally:
            process.kill()


def test_sigkill_at_any_moment_leaves_each_line_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    moments = random.Random(seed)
    left_over = 0
    with writing(tmp_path) as writer:
        writer.commit(1)
    for _ in range(12):
        with running(COMPRESSOR, tmp_path) as compressor, running(WRITER, tmp_path) as writing_process:
            for process in moments.sample([compressor, writing_process], 2):
                time.sleep(moments.uniform(0, 0.05))
                process.kill()
                process.wait()
        left_over += (tmp_path / "shop/.app.log.part").exists()
        with writing(tmp_path, Rotation(max_bytes=1000, backups=999)) as writer:
            assert numbers(tmp_path) == list(range(1, writer.journal.position("p") + 1))
            assert sorted(generations(tmp_path / NAME)) == list(range(1, len(generations(tmp_path / NAME)) + 1))
    compress(tmp_path)
    assert {Path(name).suffix for name in names(tmp_path)} <= {".log", ".gz"}
    assert all(len(files) == 1 for files in generations(tmp_path / NAME).values())
    print("generations", len(generations(tmp_path / NAME)), "compressions cut short", left_over)
