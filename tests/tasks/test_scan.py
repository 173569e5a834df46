"""A scan reads each byte once and commits what it found with how far it came."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from logging_core.streams.stream import shard_key
from recovery import due
from rules.event import Event
from rules.series import TOTAL
from tasks import record_window, settings, wiring
from tasks import scan as scanning
from tasks.file_reader import FileReader
from tasks.log_scan import LogScan
from tasks.record_window import RecordWindow
from tasks.scan import scan
from tasks.settings import CacheFolder, RecoverySettings, ScanSettings, ScanSource, Settings

DISK_FULL = b"OSError: [Errno 28] No space left on device\n"
TIMED_OUT = b"request timed out\n"
STOPPED = "tocsin:{0}:scan:stopped:here"

Scan = Callable[[], dict[str, int]]


@pytest.fixture(autouse=True)
def _what_is_written_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests do not wait until nobody has written for a while; those that are about that say so."""
    monkeypatch.setattr(record_window, "SETTLED", 0.0)


@pytest.fixture
def recovery(tmp_path: Path) -> RecoverySettings:
    return RecoverySettings(cache_folders=[CacheFolder(name="thumbs", path=tmp_path / "cache", max_bytes=0)])


@pytest.fixture
def run(redis: Redis, tmp_path: Path, recovery: RecoverySettings) -> Scan:
    """Scan `*.log*` in the test's folder, which was empty before; answers the events so far, by type."""
    run = scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "**" / "*.log*")])])
    run()
    return run


def scanner_of(
    redis: Redis, recovery: RecoverySettings, sources: list[ScanSource], budget: float = 8, place: str = "here"
) -> Scan:
    configured = Settings(scan=ScanSettings(sources=sources), recovery=recovery)

    def run() -> dict[str, int]:
        LogScan(redis, configured, place, FileReader(redis, configured, time.monotonic() + budget)).run(sources)
        return {name.decode(): int(number) for name, number in redis.hgetall("tocsin:{0}:scan:events").items()}

    return run


@pytest.fixture
def narrow(redis: Redis, tmp_path: Path, recovery: RecoverySettings) -> Scan:
    """Likewise, of `app.log` alone."""
    run = scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "app.log")])])
    run()
    return run


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_each_line_is_counted_once_over_many_scans(run: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    for number in range(1, 4):
        append(log, TIMED_OUT + b"all well\n")
        assert run() == run() == {"Timeout": number}


def test_a_line_still_being_written_waits_for_its_end(run: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT[:-1])
    assert run() == {}
    append(log, b"\n")
    assert run() == {"Timeout": 1}


def test_folders_are_searched(run: Scan, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    append(tmp_path / "a" / "b" / "deep.log", TIMED_OUT)
    assert run() == {"Timeout": 1}


def test_rotation_loses_and_repeats_nothing(run: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT)
    run()
    for expected in (3, 5, 7):
        append(log, TIMED_OUT)
        for number in (3, 2, 1):
            if (old := tmp_path / f"app.log.{number}").exists():
                old.rename(tmp_path / f"app.log.{number + 1}")
        log.rename(tmp_path / "app.log.1")
        append(log, TIMED_OUT)
        assert run() == {"Timeout": expected}


def test_a_file_rotated_out_of_the_globs_is_finished(narrow: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT)
    narrow()
    append(log, DISK_FULL)
    log.rename(tmp_path / "app.old")
    append(log, TIMED_OUT)
    assert narrow() == {"Timeout": 2, "DiskSpace": 1}


def test_two_rotations_between_scans_lose_nothing(narrow: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT)
    narrow()
    append(log, TIMED_OUT)
    log.rename(tmp_path / "app.log.1")
    append(log, TIMED_OUT * 5)
    (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
    log.rename(tmp_path / "app.log.1")
    append(log, TIMED_OUT)
    assert narrow() == narrow() == {"Timeout": 8}


def test_a_writer_that_holds_on_to_the_old_file_is_heard(narrow: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with log.open("ab", buffering=0) as held:
        held.write(TIMED_OUT)
        narrow()
        log.rename(tmp_path / "app.old")
        append(log, TIMED_OUT)
        assert narrow() == {"Timeout": 2}
        held.write(TIMED_OUT)
        assert narrow() == {"Timeout": 3}


def test_rotation_by_copy_and_truncation_loses_and_repeats_nothing(narrow: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT * 20)
    narrow()
    append(log, TIMED_OUT)
    (tmp_path / "app.log.1").write_bytes(log.read_bytes())
    log.write_bytes(TIMED_OUT[:-1] + b" again\n")
    assert narrow() == narrow() == {"Timeout": 22}


def test_a_file_written_anew_is_read_from_its_start(run: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT * 3)
    run()
    log.write_bytes(b"anew: " + TIMED_OUT)
    assert run() == {"Timeout": 4}


def test_what_was_cut_off_a_file_is_not_counted_again(run: Scan, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, TIMED_OUT * 1000)
    run()
    os.truncate(log, len(TIMED_OUT) * 999)
    assert run() == {"Timeout": 1000}
    append(log, TIMED_OUT * 3)
    assert run() == {"Timeout": 1003}


def test_history_is_not_now(redis: Redis, recovery: RecoverySettings, tmp_path: Path) -> None:
    append(tmp_path / "app.log", DISK_FULL * 500)
    append(tmp_path / "app.log.1", DISK_FULL * 500)
    run = scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "*.log")])])
    assert run() == {}
    assert due.is_empty(redis)
    append(tmp_path / "app.log", TIMED_OUT)
    append(tmp_path / "new.log", TIMED_OUT)
    append(tmp_path / "app.log.1", TIMED_OUT)
    assert run() == {"Timeout": 3}
    later = scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "*.log"), f"{tmp_path}/*.txt"])])
    append(tmp_path / "old.txt", TIMED_OUT)
    assert later() == {"Timeout": 3}
    append(tmp_path / "old.txt", TIMED_OUT)
    assert later() == {"Timeout": 4}


def test_a_file_of_two_sources_counts_for_both(redis: Redis, recovery: RecoverySettings, tmp_path: Path) -> None:
    sources = [ScanSource(name=name, paths=[str(tmp_path / "*.log")]) for name in ("one", "two")]
    run = scanner_of(redis, recovery, sources)
    run()
    append(tmp_path / "app.log", TIMED_OUT)
    run()
    assert {text.decode().rpartition("=")[2] for text in redis.hkeys(shard_key(0, TOTAL))} == {'"one"}', '"two"}'}


def test_a_backlog_in_one_file_does_not_starve_the_others(
    redis: Redis, recovery: RecoverySettings, run: Scan, tmp_path: Path
) -> None:
    for name in ("a.log", "b.log", "c.log"):
        append(tmp_path / name, TIMED_OUT)
    hurried = scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "**" / "*.log*")])], budget=0)
    turns = []
    for _ in range(4):
        hurried()
        turns.append(Path(os.fsdecode(redis.get(STOPPED).partition(b"\0")[2])).name)
    assert turns == ["a.log", "b.log", "c.log", "a.log"]
    assert run() == {"Timeout": 3}
    assert not redis.exists(STOPPED)


def test_a_file_of_many_chunks_is_counted_whole(run: Scan, tmp_path: Path) -> None:
    lines = (TIMED_OUT + b"all is well\n" * 9) * 20_000
    append(tmp_path / "big.log", lines + b"x" * 3_000_000 + b"\n" + DISK_FULL)
    assert run() == {"Timeout": 20_000, "DiskSpace": 1}


def test_what_cannot_be_read_does_not_stop_the_scan(run: Scan, tmp_path: Path, caplog) -> None:
    os.mkfifo(tmp_path / "a-pipe.log")
    append(tmp_path / "b.log", TIMED_OUT)
    assert run() == {"Timeout": 1}
    assert "not a regular file" in caplog.text


def test_an_archive_that_nothing_here_unpacks_does_not_stop_the_scan(
    run: Scan, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "b.log.1").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    (tmp_path / "c.log\nERROR forged").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    append(tmp_path / "b.log", TIMED_OUT)
    assert run() == run() == {"Timeout": 1}
    assert "tocsin[zstd]" in caplog.text
    assert "forged" in caplog.text
    assert "\nERROR forged" not in caplog.text


def test_a_defect_that_one_file_meets_does_not_stop_the_scan(
    run: Scan, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = RecordWindow.step

    def defective(window: RecordWindow) -> list[Event]:
        events = step(window)
        if any("on device" in event.message for event in events):
            raise RecursionError("too deep")
        return events

    monkeypatch.setattr(RecordWindow, "step", defective)
    append(tmp_path / "a.log", DISK_FULL)
    append(tmp_path / "b.log", TIMED_OUT)
    assert run() == {"Timeout": 1}
    assert "too deep" in caplog.text


def test_a_file_may_have_any_name(redis: Redis, run: Scan, tmp_path: Path) -> None:
    append(Path(os.fsdecode(os.fsencode(tmp_path / "bad") + b"\xff\n.log")), DISK_FULL)
    assert run() == run() == {"DiskSpace": 1}
    assert due.steps(redis)[0].cause.file == f"{tmp_path}/bad\\xff\n.log"


def test_a_scan_out_of_time_goes_on_next_time(redis: Redis, run: Scan, tmp_path: Path, recovery) -> None:
    append(tmp_path / "app.log", TIMED_OUT)
    scanner_of(redis, recovery, [ScanSource(name="shop", paths=[str(tmp_path / "**" / "*.log*")])], budget=0)()
    assert not redis.exists("tocsin:{0}:scan:events")
    assert run() == {"Timeout": 1}


def test_errors_are_counted_in_a_series(redis: Redis, run: Scan, tmp_path: Path) -> None:
    append(tmp_path / "app.log", TIMED_OUT * 3)
    run()
    assert redis.hgetall(shard_key(0, TOTAL)) == {b'scan_errors_total{error_type="Timeout",source="shop"}': b"3"}


def test_ten_thousand_identical_errors_ask_for_one_step(redis: Redis, run: Scan, tmp_path: Path) -> None:
    append(tmp_path / "app.log", b"fine\n" + DISK_FULL * 10_000)
    assert run() == {"DiskSpace": 10_000}
    (step,) = due.steps(redis)
    assert (step.id, step.cause.type, step.cause.source) == ("clean_cache:thumbs", "DiskSpace", "shop")
    assert (step.cause.file, step.cause.offset) == (str(tmp_path / "app.log"), 5)


@pytest.mark.parametrize(
    "line",
    [
        b"No space left on device: '../../../../etc/passwd'\n",
        b'{"level":"ERROR","message":"No space left on device","action":"clean_cache","target":"/etc"}\n',
        b"No space left on device\x00clean_cache:/etc\x1b[2J\n",
        b"No space left on device $(rm -rf /) `rm -rf /` {{ 7*7 }} %s\n",
    ],
)
def test_a_forged_line_chooses_neither_action_nor_target(redis: Redis, run: Scan, tmp_path: Path, line: bytes) -> None:
    append(tmp_path / "app.log", line)
    run()
    assert [step.id for step in due.steps(redis)] == ["clean_cache:thumbs"]


@pytest.fixture
def configured(redis: Redis, tmp_path: Path, recovery: RecoverySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ScanSource(name="shop", paths=[str(tmp_path / "*.log")])
    chosen = Settings(scan=ScanSettings(sources=[source]), recovery=recovery)
    monkeypatch.setattr(settings, "load", lambda: chosen)
    scan()


@pytest.mark.usefixtures("configured")
def test_the_task_asks_for_recovery_and_gives_up_its_lock(redis: Redis, tmp_path: Path) -> None:
    append(tmp_path / "app.log", DISK_FULL)
    scan()
    assert redis.llen("tocsin:celery:recover") == 1
    assert not redis.exists(scanning.LOCK + wiring.place_of(settings.load().log_dir))


@pytest.mark.usefixtures("configured")
def test_two_scans_never_run_at_once(redis: Redis, tmp_path: Path) -> None:
    append(tmp_path / "app.log", TIMED_OUT)
    with wiring.redis_client().lock(scanning.LOCK + wiring.place_of(settings.load().log_dir), timeout=20):
        scan()
    assert not redis.exists("tocsin:{0}:scan:events")
