"""A huge file is read in ranges, in any order and by anybody, and each failure in it is counted once."""

import gzip
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tasks import file_reader, log_scan, record_window, scan, settings
from tasks.log_scan import Part
from tasks.settings import ScanSettings, ScanSource, Settings
from tests.tasks.planting import counted, once, write

Handed = list[Part]


@pytest.fixture
def handed(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handed]:
    """What scans hand out, in place of the queue; files are huge when they are small, and nothing has been read."""
    source = ScanSource(name="shop", paths=[str(tmp_path / "*.log*")])
    configured = Settings(scan=ScanSettings(sources=(source,)), log_dir=tmp_path / "logs")
    handed: Handed = []
    monkeypatch.setattr(settings, "load", lambda: configured)
    monkeypatch.setattr(record_window, "SETTLED", 0.0)
    monkeypatch.setattr(log_scan, "HUGE", 20_000)
    monkeypatch.setattr(log_scan, "RANGE", 5_000)
    monkeypatch.setattr(scan, "_send", lambda tasks: handed.extend(Part(*each.args) for each in tasks))
    file_reader._bounds.cache_clear()
    scan.scan()
    yield handed
    file_reader._bounds.cache_clear()


@pytest.fixture
def finish(handed: Handed, redis: Redis) -> Callable[[], None]:
    """Scan until nothing is handed out any more."""

    def finish() -> None:
        for _ in range(20):
            for lease in redis.scan_iter("tocsin:{0}:scan:lease:*"):
                redis.delete(lease)  # time passes
            handed.clear()
            scan.scan()
            if not handed:
                return
            take(handed)
        pytest.fail("it never ends")

    return finish


def take(parts: Handed) -> None:
    for part in parts:
        scan.scan_part(*part)


@pytest.fixture
def log(handed: Handed, tmp_path: Path) -> Path:
    """A huge file, handed out in ranges."""
    path = tmp_path / "app.log"
    write(path, range(100), between=5)
    scan.scan()
    assert len(handed) > 5
    return path


def test_ranges_are_read_in_any_order_and_what_is_behind_them_after_that(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]
) -> None:
    parts = handed[:]
    random.Random(5).shuffle(parts)
    write(log, range(100, 110))
    take(parts[:-1])
    scan.scan()
    assert handed[len(parts) :] == []  # the last one has a reader
    take(parts[-1:])
    finish()
    assert counted(redis) == once(range(110))


def test_whoever_reads_a_range_again_counts_nothing(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]
) -> None:
    take(handed + handed)
    finish()
    take(handed)
    assert counted(redis) == once(range(100))


def test_a_range_whose_reader_died_is_handed_out_again(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]
) -> None:
    take(handed[::2])
    finish()
    assert counted(redis) == once(range(100))


def test_a_file_that_is_renamed_meanwhile(log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]) -> None:
    take(handed[:3])
    log.rename(log.with_name("app.log.1"))
    write(log, range(100, 110))
    take(handed[3:])  # they find another file
    finish()
    assert counted(redis) == once(range(110))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_copied_and_emptied_meanwhile(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None], *, packed: bool
) -> None:
    take(handed[:3])
    copy = log.with_name("app.log.1")
    shutil.copy(log, copy)
    take(handed[3:4])
    os.truncate(log, 0)
    if packed:
        copy.with_name("app.log.1.gz").write_bytes(gzip.compress(copy.read_bytes()))
        copy.unlink()
    write(log, range(100, 110))
    take(handed[4:])
    finish()
    assert counted(redis) == once(range(110))


def test_a_file_that_is_packed_meanwhile(log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]) -> None:
    take(handed[:3])
    log.with_name("app.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    take(handed[3:])
    finish()
    assert counted(redis) == once(range(100))


def test_a_file_that_is_cut_meanwhile(log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]) -> None:
    text = log.read_bytes()
    at = text.index(b"\n", len(text) // 2) + 1
    kept = text[:at].count(b" ERROR ")
    take(handed[:2])
    os.truncate(log, at)
    take(handed[2:])
    finish()
    write(log, range(100, 110))
    finish()
    assert counted(redis) == once([*range(kept), *range(100, 110)])


def test_a_file_that_is_written_anew_meanwhile(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None]
) -> None:
    take(handed[:2])
    before = counted(redis)
    log.unlink()
    with log.open("wb") as file:
        file.write(b"begins otherwise\n")
    write(log, range(200, 300), between=5)
    take(handed[2:])
    finish()
    assert counted(redis) == before + once(range(200, 300))


def test_the_next_span_follows(
    log: Path, handed: Handed, redis: Redis, finish: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, range(100, 300), between=5)
    finish()
    assert counted(redis) == once(range(300))


def test_a_large_archive_is_a_part_of_its_own(
    handed: Handed, redis: Redis, finish: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_scan, "LARGE", 100)
    write(tmp_path / "plain", range(100), between=5)
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    scan.scan()
    scan.scan()
    assert len(handed) == 1
    finish()
    assert counted(redis) == once(range(100))
