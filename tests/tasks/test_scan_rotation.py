"""Whatever rotation does between two scans, each failure is counted once: each has a group of its own here."""

import bz2
import gzip
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tasks import file_reader, record_window
from tasks.file_reader import FileReader
from tasks.log_scan import LogScan
from tasks.settings import ScanSettings, ScanSource, Settings
from tests.tasks.planting import counted, failure, once, quiet, write

Scan = Callable[..., None]
WIDE, NARROW = "*.log*", "app.log"


@pytest.fixture(autouse=True)
def _what_is_written_is_complete(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(record_window, "SETTLED", 0.0)
    file_reader._bounds.cache_clear()
    yield
    file_reader._bounds.cache_clear()


@pytest.fixture(params=[WIDE, NARROW])
def scan(request: pytest.FixtureRequest, redis: Redis, tmp_path: Path) -> Scan:
    """Scan what the glob names, first when there is nothing; at another place, if one is given."""
    configured = Settings(scan=ScanSettings(sources=(ScanSource(name="shop", paths=[str(tmp_path / request.param)]),)))

    def run(place: str = "here", client: Redis = redis) -> None:
        reader = FileReader(client, configured, time.monotonic() + 8)
        LogScan(client, configured, place, reader).run(configured.scan.sources)

    run()
    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def pack(path: Path) -> Path:
    """Compress a file as `gzip` does."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def shift(log: Path) -> None:
    """Rename `app.log` to `app.log.1` and so on, packed or not."""
    old = sorted(log.parent.glob("app.log.*"), key=lambda each: int(each.name.split(".")[2]), reverse=True)
    for each in old:
        _, _, number, *packing = each.name.split(".")
        each.rename(each.with_name(".".join(["app", "log", str(int(number) + 1), *packing])))
    log.rename(log.with_name("app.log.1"))


def test_rename(scan: Scan, redis: Redis, log: Path) -> None:
    for number in range(8):
        write(log, [10 * number, 10 * number + 1])
        scan()
        write(log, [10 * number + 2])
        shift(log)
        write(log, [10 * number + 3])
        scan()
    assert counted(redis) == once(10 * number + each for number in range(8) for each in range(4))


@pytest.mark.parametrize("size", [0, 100])
def test_rename_and_pack(scan: Scan, redis: Redis, log: Path, size: int) -> None:
    for number in range(5):
        write(log, [10 * number], between=size)
        scan()
        write(log, [10 * number + 1])
        shift(log)
        pack(log.with_name("app.log.1"))
        scan()
        scan()
    assert counted(redis) == once(10 * number + each for number in range(5) for each in range(2))


def test_a_storm_of_rotations_while_scans_run(scan: Scan, redis: Redis, log: Path) -> None:
    def storm() -> None:
        for number in range(300):
            write(log, [number])
            if number % 7 == 0:
                shift(log)
                log.touch()

    with ThreadPoolExecutor(1) as pool:
        storming = pool.submit(storm)
        while not storming.done():
            scan()
        storming.result()
    scan()
    assert counted(redis) == once(range(300))


def test_pack_later(scan: Scan, redis: Redis, log: Path) -> None:
    write(log, [1], between=10)
    shift(log)
    write(log, [2])
    scan()
    pack(log.with_name("app.log.1"))
    scan()
    write(log, [3])
    scan()
    assert counted(redis) == once([1, 2, 3])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [0, 100])
def test_copy_and_truncate(scan: Scan, redis: Redis, log: Path, size: int, *, packed: bool) -> None:
    for number in range(5):
        write(log, [10 * number], between=size)
        scan()
        write(log, [10 * number + 1])
        for old in sorted(log.parent.glob("app.log.*"), reverse=True):
            _, _, age, *packing = old.name.split(".")
            old.rename(old.with_name(".".join(["app", "log", str(int(age) + 1), *packing])))
        copy = log.with_name("app.log.1")
        shutil.copy(log, copy)
        if number % 2:
            scan()  # the copy is there, and the file not yet emptied
        os.truncate(log, 0)
        if packed:
            pack(copy)
        write(log, [10 * number + 2])
        scan()
        scan()
    assert counted(redis) == once(10 * number + each for number in range(5) for each in range(3))


def test_copy_and_truncate_of_a_service_that_begins_with_a_banner(scan: Scan, redis: Redis, log: Path) -> None:
    banner = quiet(20)
    log.write_bytes(banner)
    write(log, range(10))
    scan()
    write(log, [10])
    shutil.copy(log, log.with_name("app.log.1"))
    log.write_bytes(banner)
    write(log, [11])
    scan()
    scan()
    assert counted(redis) == once(range(12))


@pytest.mark.parametrize("banner", [b"", quiet(20)])
@pytest.mark.parametrize("size", [1, 3000])
def test_copy_and_truncate_between_reading_and_committing(
    scan: Scan, redis: Redis, log: Path, monkeypatch: pytest.MonkeyPatch, size: int, banner: bytes
) -> None:
    log.write_bytes(banner)
    write(log, [1], between=1000)
    scan()
    write(log, [2], between=1000)
    commit = FileReader._commit

    def late(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(FileReader, "_commit", commit)
        shutil.copy(log, log.with_name("app.log.1"))
        log.write_bytes(banner)
        write(log, [3], between=size)
        return commit(*args, **options)

    monkeypatch.setattr(FileReader, "_commit", late)
    scan()
    scan()
    assert counted(redis) == once([1, 2, 3])


def test_an_archive_that_nobody_read_as_a_file_is_read_once(scan: Scan, redis: Redis, log: Path) -> None:
    log.with_name("app.log.1.bz2").write_bytes(bz2.compress(quiet(1000) + failure(1)))
    for _ in range(3):
        scan()
    assert counted(redis) == once([1])


def test_an_archive_that_is_damaged_is_read_as_far_as_it_goes_and_only_once(
    scan: Scan, redis: Redis, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = failure(1) + os.urandom(1 << 20).hex().encode() + b"\n" + failure(2)
    archive = log.with_name("app.log.1.gz")
    archive.write_bytes(gzip.compress(text)[:-1000])
    for _ in range(3):
        scan()
    assert counted(redis)[once([1]).most_common()[0][0]] == 1
    assert len([each for each in caplog.records if "ends too early" in each.message]) == 1


@pytest.mark.parametrize("first", [failure(0), quiet(1), quiet(20)])
def test_emptied_and_begun_with_the_same_lines(scan: Scan, redis: Redis, log: Path, first: bytes) -> None:
    log.write_bytes(first)
    write(log, [1, 2, 3])
    scan()
    log.write_bytes(first)
    write(log, [4, 5, 6, 7, 8])
    scan()
    found = counted(redis)
    assert {word: found[word] for word in once(range(1, 9))} == dict(once(range(1, 9)))


def test_an_archive_that_takes_longer_than_a_scan_has_is_read_step_by_step(
    redis: Redis, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reader, "STEP", 1 << 20)
    source = ScanSource(name="shop", paths=[str(log.with_name("*.log*"))])
    configured = Settings(scan=ScanSettings(sources=(source,)))

    def late_scan() -> None:
        LogScan(redis, configured, "here", FileReader(redis, configured, time.monotonic())).run([source])

    late_scan()
    log.with_name("app.log.1.gz").write_bytes(gzip.compress(quiet(50_000) + failure(1)))
    for _ in range(6):
        late_scan()
    assert counted(redis) == once([1])


def test_the_inode_is_used_again(scan: Scan, redis: Redis, log: Path) -> None:
    for number in range(0, 30, 3):
        with log.open("wb") as file:  # what is deleted and created again has the same inode, if nothing came between
            file.write(quiet(number) + failure(number) + quiet(number) + failure(number + 1))
        scan()
        write(log, [number + 2])
        scan()
    assert counted(redis) == once(range(30))


def test_two_hosts_have_the_same_paths(scan: Scan, redis: Redis, log: Path) -> None:
    scan("there")
    write(log, [1])
    scan()
    scan("there")
    assert counted(redis) == once([1, 1])


def test_whoever_begins_anew_goes_on(scan: Scan, redis: Redis, log: Path) -> None:
    write(log, range(10))
    scan()
    file_reader._bounds.cache_clear()
    write(log, range(10, 20))
    scan()
    assert counted(redis) == once(range(20))


def test_a_link_that_is_led_elsewhere(redis: Redis, tmp_path: Path) -> None:
    source = ScanSource(name="shop", paths=[str(tmp_path / "current.log")])
    configured = Settings(scan=ScanSettings(sources=(source,)))

    def scan() -> None:
        LogScan(redis, configured, "here", FileReader(redis, configured, time.monotonic() + 8)).run([source])

    scan()
    link = tmp_path / "current.log"
    for day in range(1, 6):
        target = tmp_path / f"app-2026021{day}.log"
        write(target, [10 * day])
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        if day != 3:
            scan()
        write(target, [10 * day + 1])
    scan()
    assert counted(redis) == once(10 * day + each for day in range(1, 6) for each in range(2))
