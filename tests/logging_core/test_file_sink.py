"""Files that an application writes itself: each line once in each of its files, whatever happens to the files."""

import fcntl
import gzip
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import zstandard

from logging_core.background import BackgroundHandler, Line
from logging_core.record import Encoder
from logging_core.storage import shared_file, upkeep
from logging_core.storage.file_sink import FileSink, Route, channel_of, standard_routes
from logging_core.storage.journal import locked
from logging_core.storage.retention import Retention
from logging_core.storage.rotation import DAY, Rotation, generations, moving
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
LARGE = Rotation(max_bytes=10**9)


def line(number: int, level: int = logging.INFO, **fields: object) -> Line:
    return Line(level, orjson.dumps({"n": number, **fields}) + b"\n")


def numbered(first: int, last: int) -> list[Line]:
    return [line(number) for number in range(first, last + 1)]


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.suffix == ".zst" else data


def numbers(path: Path) -> list[int]:
    """Of every line of every generation, oldest first."""
    sealed = [each for _, files in sorted(generations(path).items(), reverse=True) for each in files]
    return [
        orjson.loads(text)["n"] for each in [*sealed, path] if each.exists() for text in unpacked(each).splitlines()
    ]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != ".tocsin")


Make = Callable[..., FileSink]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def make(rotation: Rotation = LARGE, **options: object) -> FileSink:
        routes = options.pop("routes", None) or [Route("app.log", rotation=rotation)]
        with_upkeep = options.pop("with_upkeep", False)
        made.append(FileSink(tmp_path, routes, **options))  # type: ignore[arg-type]
        if not with_upkeep:  # these tests say when it looks
            made[-1].upkeep.start = lambda: None  # type: ignore[method-assign]
        return made[-1]

    yield make
    for sink in made:
        sink.close()


def test_each_line_goes_to_the_files_of_its_level_and_channel(make: Make, tmp_path: Path) -> None:
    sink = make(routes=standard_routes(LARGE, logging.INFO, ai_rotation=LARGE))
    assert names(tmp_path) == ["ai_responses.log", "app.log", "errors.log"]
    sink.write(
        [
            line(1, logging.DEBUG),
            line(2),
            line(3, logging.ERROR),
            line(4, channel="ai_responses"),
            line(5, logging.ERROR, channel="audit"),
            line(6, channel="../evil"),
            line(7, channel="app"),
            line(8, payload={"channel": "audit"}),
            line(9, message='"channel":"audit"'),
        ]
    )
    assert numbers(tmp_path / "app.log") == list(range(2, 10))
    assert numbers(tmp_path / "errors.log") == [3, 5]
    assert numbers(tmp_path / "ai_responses.log") == [4]
    assert numbers(tmp_path / "audit.log") == [5]
    assert names(tmp_path) == ["ai_responses.log", "app.log", "audit.log", "errors.log"]


def test_a_channel_without_a_file_of_its_own(make: Make, tmp_path: Path) -> None:
    make(routes=standard_routes(LARGE)).write([line(1, channel="ai_responses")])
    assert names(tmp_path) == ["app.log", "errors.log"]


def test_channels_that_somebody_makes_up_do_not_fill_the_folder(make: Make, tmp_path: Path) -> None:
    make(routes=standard_routes(LARGE)).write([line(n, channel=f"c{n}") for n in range(1000)])
    assert len(names(tmp_path)) < 100
    assert len(numbers(tmp_path / "app.log")) == 1000


@pytest.mark.parametrize("body", [b'{"channel":"a b"}', b'{"channel":"A"}', b'["channel":"a"', b'[{"channel":"a"}]'])
def test_what_is_no_channel(body: bytes) -> None:
    assert channel_of(body) is None


def test_an_unwritable_place_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"):
        FileSink(tmp_path / "file" / "logs", [Route("app.log")])
    (tmp_path / "app.log").mkdir()
    with pytest.raises(OSError, match=r"app\.log"):
        FileSink(tmp_path, [Route("app.log")])
    os.mkfifo(tmp_path / "errors.log")
    with pytest.raises(OSError, match=r"errors\.log"):
        FileSink(tmp_path, [Route("errors.log")])
    (tmp_path / "link.log").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=r"link\.log"):
        FileSink(tmp_path, [Route("link.log")])


def test_no_file_is_larger_than_it_may_be(make: Make, tmp_path: Path) -> None:
    sink = make(Rotation(max_bytes=100, backups=50))
    for first in range(1, 200, 40):
        sink.write(numbered(first, first + 39))
    assert numbers(tmp_path / "app.log") == list(range(1, 201))
    assert all((tmp_path / name).stat().st_size <= 100 for name in names(tmp_path))
    sink.write([line(201, text="x" * 500)])  # longer than any file may be: alone
    assert len((tmp_path / "app.log").read_bytes().splitlines()) == 1


def test_the_oldest_generation_goes(make: Make, tmp_path: Path) -> None:
    sink = make(Rotation(max_bytes=1, backups=3))
    sink.write(numbered(1, 10))
    assert names(tmp_path) == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
    assert numbers(tmp_path / "app.log") == [7, 8, 9, 10]


def test_a_new_day_begins_a_new_file_after_a_restart_too(make: Make, tmp_path: Path) -> None:
    now = (time.time() // DAY) * DAY + DAY - 1

    def write(number: int) -> None:
        sink = make(Rotation(max_bytes=0, interval=DAY), clock=lambda: now)
        sink.write([line(number)])
        os.utime(tmp_path / "app.log", (now, now))
        sink.close()

    write(1)
    now += 0.5
    write(2)
    assert names(tmp_path) == ["app.log"]
    now += 1  # midnight, UTC
    write(3)
    assert names(tmp_path) == ["app.log", "app.log.1"]
    now -= 3600  # a clock that is set back
    write(4)
    assert names(tmp_path) == ["app.log", "app.log.1"]
    assert numbers(tmp_path / "app.log") == [1, 2, 3, 4]
    assert numbers(tmp_path / "app.log.1") == [1, 2]


@pytest.mark.parametrize(
    "meanwhile", [lambda path: path.rename(f"{path}-20260219"), Path.unlink, lambda path: shutil.rmtree(path.parent)]
)
def test_a_file_that_is_moved_or_deleted_is_begun_anew(
    make: Make, tmp_path: Path, meanwhile: Callable[[Path], object]
) -> None:
    sink = make()
    sink.write([line(1)])
    meanwhile(tmp_path / "app.log")
    sink.write([line(2)])
    assert numbers(tmp_path / "app.log") == [2]


def test_a_file_that_is_copied_and_truncated_is_written_on(make: Make, tmp_path: Path) -> None:
    sink = make()
    sink.write([line(1)])
    os.truncate(tmp_path / "app.log", 0)
    sink.write([line(2)])
    assert (tmp_path / "app.log").read_bytes() == b'{"n":2}\n'


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes; the write that would is short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_half_way_is_cut_back_and_repeated_only_where_it_failed(make: Make, tmp_path: Path) -> None:
    sink = make(routes=standard_routes(LARGE))
    sink.write(numbered(1, 100))
    before = (tmp_path / "app.log").read_bytes()
    lines = [line(number, logging.ERROR if number % 10 == 0 else logging.INFO) for number in range(101, 201)]
    with full_at(len(before) + 100):
        for _ in range(3):
            with pytest.raises(OSError, match="File too large"):
                sink.write(lines)
            assert (tmp_path / "app.log").read_bytes() == before
    sink.write(lines)
    assert numbers(tmp_path / "app.log") == list(range(1, 201))
    assert numbers(tmp_path / "errors.log") == list(range(110, 201, 10))


def test_a_file_beside_the_first_that_cannot_be_written_to_keeps_only_its_own_lines_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.log").mkdir()
    handler = BackgroundHandler(FileSink(tmp_path, standard_routes(LARGE)), Encoder("shop"), max_records=20_000)
    for number in range(12_000):
        handler.put(line(number, channel="audit" if number < 1500 else "system").body, logging.INFO)
    assert handler.flush(20)
    assert numbers(tmp_path / "app.log") == list(range(12_000))
    assert numbers(tmp_path / "system.log") == list(range(1500, 12_000))
    assert handler.stats()["missed"] == {"audit.log": 500}
    (tmp_path / "audit.log").rmdir()
    handler.put(line(12_000, channel="audit").body, logging.INFO)
    handler.close()
    assert numbers(tmp_path / "audit.log") == [*range(1000), 12_000]
    waits, missed = capsys.readouterr().err.splitlines()
    assert "audit.log cannot be written to" in waits
    assert f"500 lines are not in {tmp_path}/audit.log" in missed


def test_what_a_file_beside_the_first_still_misses_at_the_end_is_told(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.log").mkdir()
    sink = make(routes=standard_routes(LARGE))
    sink.write([line(1, channel="audit")])
    assert sink.missed == {}
    sink.close()
    assert sink.missed == {"audit.log": 1}
    assert "1 lines are not in" in capsys.readouterr().err


def test_a_full_disk_keeps_what_was_sealed_on_the_way(make: Make, tmp_path: Path) -> None:
    sink = make(Rotation(max_bytes=1000, backups=50))
    lines = [*numbered(1, 300), line(301, text="x" * 2000), *numbered(302, 400)]
    with full_at(1500):
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                sink.write(lines)
    sink.write(lines)
    assert numbers(tmp_path / "app.log") == list(range(1, 401))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
        pytest.skip("a file system of its own can be mounted by root alone")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_that_is_full_for_a_while_costs_nothing_that_has_room_in_the_queue(small_disk: Path) -> None:
    handler = BackgroundHandler(FileSink(small_disk, [Route("app.log", rotation=LARGE)]), Encoder("shop"))
    (small_disk / "ballast").write_bytes(b"x" * 40_000)
    for number in range(300):
        handler.put(line(number, text="x" * 100).body, logging.INFO)
    wait_until(lambda: handler.failing)
    assert not (small_disk / "app.log").read_bytes()[-1:].strip()  # whole lines alone
    (small_disk / "ballast").unlink()
    wait_until(lambda: handler.stats()["written"] == 300)
    handler.close()
    assert numbers(small_disk / "app.log") == list(range(300))
    assert handler.stats()["dropped"] == {}


def test_rotation_that_fails_lets_the_file_grow(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.log.1").mkdir()
    sink = make(Rotation(max_bytes=10, backups=1))
    for number in range(1, 4):
        sink.write([line(number)])
    assert "is not rotated" in capsys.readouterr().err
    (tmp_path / "app.log.1").rmdir()
    sink.write([line(4)])
    assert numbers(tmp_path / "app.log") == [1, 2, 3, 4]
    assert names(tmp_path) == ["app.log", "app.log.1"]


def test_rotation_waits_while_a_compressed_file_is_put_in_its_place(make: Make, tmp_path: Path) -> None:
    sink = make(Rotation(max_bytes=10))
    sink.write([line(1)])
    with moving(tmp_path) as held:
        assert held
        sink.write([line(2)])
    assert names(tmp_path) == ["app.log"]
    sink.write([line(3)])
    assert names(tmp_path) == ["app.log", "app.log.1"]
    assert numbers(tmp_path / "app.log") == [1, 2, 3]


def test_a_stopped_process_that_holds_the_lock_holds_nobody_up_for_long(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "PATIENCE", 0.05)
    sink = make(Rotation(max_bytes=10))
    with (tmp_path / "app.log").open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        sink.write(numbered(1, 3))
    sink.write([line(4)])
    assert numbers(tmp_path / "app.log") == [1, 2, 3, 4]
    assert numbers(tmp_path / "app.log.1") == [1, 2, 3]


WRITER = """
import logging, sys, time
from pathlib import Path
from logging_core.background import BackgroundHandler
from logging_core.storage.file_sink import FileSink, Route
from logging_core.record import Encoder
from logging_core.storage.rotation import Rotation

folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sink = FileSink(folder, [Route("app.log", rotation=Rotation(max_bytes=5000, backups=999))], compress="gzip")
sink.upkeep.tidy(min_age=0)
handler = BackgroundHandler(sink, Encoder("shop"), max_records=10**6)
print("up", flush=True)
sys.stdin.readline()
for number in range(first, first + count):
    handler.put(b'{"n":%d}\\n' % number, logging.INFO)
    if number % 50 == 0:
        time.sleep(0.002)
        if number % 500 == 0:
            sink.upkeep.tidy(min_age=0)
handler.close(20)
assert handler.stats()["written"] == count, handler.stats()
"""


def start(folder: Path, first: int, count: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first), str(count)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


def test_processes_that_share_files_lose_and_repeat_nothing_while_they_rotate_and_compress_them(tmp_path: Path) -> None:
    processes = [start(tmp_path, 10_000 * number, 4000) for number in range(1, 5)]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        assert process.wait(60) == 0
        process.stdin.close()  # type: ignore[union-attr]
        process.stdout.close()  # type: ignore[union-attr]
    found = numbers(tmp_path / "app.log")
    assert sorted(found) == sorted(10_000 * number + n for number in range(1, 5) for n in range(4000))
    for number in range(1, 5):  # and each process' lines are in their order
        own = [n for n in found if n // 10_000 == number]
        assert own == sorted(own)
    assert len(generations(tmp_path / "app.log")) > 10
    assert sorted(generations(tmp_path / "app.log")) == list(range(1, len(generations(tmp_path / "app.log")) + 1))


def test_sigkill_of_one_process_at_any_moment_tears_nothing_of_the_others(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    moments = random.Random(seed)
    survivor = start(tmp_path, 1_000_000, 20_000)
    survivor.stdin.write(b"\n")  # type: ignore[union-attr]
    survivor.stdin.flush()  # type: ignore[union-attr]
    for turn in range(6):
        victim = start(tmp_path, 10_000 * turn, 9000)
        victim.stdin.write(b"\n")  # type: ignore[union-attr]
        victim.stdin.flush()  # type: ignore[union-attr]
        time.sleep(moments.uniform(0, 0.2))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdin.close()  # type: ignore[union-attr]
        victim.stdout.close()  # type: ignore[union-attr]
    assert survivor.wait(60) == 0
    survivor.stdin.close()  # type: ignore[union-attr]
    survivor.stdout.close()  # type: ignore[union-attr]
    sink = FileSink(tmp_path, [Route("app.log")], compress="gzip")
    sink.upkeep.tidy(min_age=0)
    sink.close()
    found = numbers(tmp_path / "app.log")
    assert [n for n in found if n >= 1_000_000] == list(range(1_000_000, 1_020_000))
    for turn in range(6):  # what was written of a victim's is the beginning, without a hole
        own = [n for n in found if n // 10_000 == turn]
        assert own == list(range(10_000 * turn, 10_000 * turn + len(own)))
    assert not [name for name in names(tmp_path) if not name.endswith((".gz", ".log"))]


@pytest.mark.parametrize(("compress", "suffix"), [("gzip", ".gz"), ("zstd", ".zst"), ("none", "")])
def test_sealed_files_are_compressed_after_a_while(make: Make, tmp_path: Path, compress: str, suffix: str) -> None:
    now = time.time()
    sink = make(Rotation(max_bytes=1), compress=compress, clock=lambda: now)
    sink.write(numbered(1, 3))
    sink.upkeep.tidy()
    assert names(tmp_path) == ["app.log", "app.log.1", "app.log.2"]
    now += upkeep.COMPRESSED_AFTER + 5
    sink.upkeep.tidy()
    assert names(tmp_path) == ["app.log", f"app.log.1{suffix}", f"app.log.2{suffix}"]
    sink.write([line(4)])
    assert numbers(tmp_path / "app.log") == [1, 2, 3, 4]


def test_without_its_library_zstd_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ValueError, match=r"pip install 'tocsin\[zstd\]'"):
        FileSink(tmp_path, [Route("app.log")], compress="zstd")


def test_without_isal_gzip_is_zlibs(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    sink = make(Rotation(max_bytes=1), compress="gzip")
    sink.write(numbered(1, 2))
    sink.upkeep.tidy(min_age=-5)
    assert names(tmp_path) == ["app.log", "app.log.1.gz"]
    assert numbers(tmp_path / "app.log") == [1, 2]


def test_the_upkeep_is_done_without_being_asked(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PACE", 0.02)
    sink = make(Rotation(max_bytes=1), retention=Retention(max_age=1000), with_upkeep=True)
    (tmp_path / "app.log.7").write_bytes(b"old\n")
    os.utime(tmp_path / "app.log.7", (1, 1))
    sink.write([line(1)])
    wait_until(lambda: not (tmp_path / "app.log.7").exists())


def test_a_generation_that_a_process_still_writes_to_stays_plain(make: Make, tmp_path: Path) -> None:
    sink = make(Rotation(max_bytes=1), compress="gzip")
    sink.write(numbered(1, 2))
    with (tmp_path / "app.log.1").open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        sink.upkeep.tidy(min_age=-5)
    assert names(tmp_path) == ["app.log", "app.log.1"]


def test_a_forked_child_writes_to_the_same_files_with_locks_of_its_own(make: Make, tmp_path: Path) -> None:
    handler = BackgroundHandler(make(Rotation(max_bytes=200, backups=500)), Encoder("shop"))
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for number in range(500):
                    handler.put(line(1000 * child + number).body, logging.INFO)
                status = 0 if handler.flush(20) and handler.stats()["written"] == 500 else 1
            finally:
                os._exit(status)
        children.append(pid)
        for number in range(100):
            handler.put(line(10_000 + 100 * child + number).body, logging.INFO)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    handler.close()
    expected = [*(1000 * child + number for child in range(4) for number in range(500)), *range(10_000, 10_400)]
    assert sorted(numbers(tmp_path / "app.log")) == expected


def test_a_child_that_is_forked_while_a_lock_is_held_does_not_keep_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with locked(tmp_path, "rotation") as held:
        assert held
        pid = os.fork()
        if pid == 0:
            os.read(reader, 1)
            os._exit(0)
    with locked(tmp_path, "rotation") as again:
        assert again
    os.write(writer, b"x")
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
