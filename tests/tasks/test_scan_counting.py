"""What a scan has found becomes groups and series, at the time of each failure and once."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from logging_core.storage.journal import Journal
from logging_core.streams.stream import shard_key
from rules.bounds import LIMITS
from rules.error_groups import ErrorGroups
from rules.fingerprint import OTHER
from rules.series import HISTORY, SECOND, TOTAL
from tasks import file_reader, record_window, wiring
from tasks.file_reader import FileReader
from tasks.log_scan import LogScan
from tasks.settings import ScanSettings, ScanSource, Settings
from tests.tasks.planting import failure, write

Scan = Callable[[], None]
ERROR = b'{"timestamp":"2026-02-19T10:30:00.123456+00:00","level":"ERROR","message":"the request timed out"}\n'


@pytest.fixture(autouse=True)
def _what_is_written_is_complete(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(record_window, "SETTLED", 0.0)
    file_reader._bounds.cache_clear()
    yield
    file_reader._bounds.cache_clear()


@pytest.fixture
def scanner(redis: Redis, tmp_path: Path) -> Callable[..., Scan]:
    def scanner(*paths: str, timezone: str = "UTC") -> Scan:
        source = ScanSource(name="nginx", paths=[str(tmp_path / path) for path in paths], timezone=timezone)
        configured = Settings(scan=ScanSettings(sources=(source,)), log_dir=tmp_path / "logs")

        def scan() -> None:
            reader = FileReader(redis, configured, time.monotonic() + 8)
            LogScan(redis, configured, "here", reader).run(configured.scan.sources)

        scan()
        return scan

    return scanner


def series(redis: Redis) -> dict[str, int]:
    return {text.decode(): int(float(total)) for text, total in redis.hgetall(shard_key(0, TOTAL)).items()}


def test_a_failure_is_in_a_group_with_its_place(scanner: Callable[..., Scan], redis: Redis, tmp_path: Path) -> None:
    scan = scanner("*.log")
    (tmp_path / "error.log").write_bytes(b"fine\n" + failure(1) + failure(1))
    scan()
    (group,) = ErrorGroups(redis).top(10)
    assert (group.service, group.error_type, group.template) == ("nginx", "Timeout", "bbc: request timed out")
    assert (group.count, group.place.file) == (2, str(tmp_path / "error.log"))
    assert group.place.offset == 5 + len(failure(1))
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 2}


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Asia/Kolkata", 5.5)])
def test_a_failure_counts_at_its_own_time(
    scanner: Callable[..., Scan], redis: Redis, tmp_path: Path, zone: str, hours: float
) -> None:
    scan = scanner("*.log", timezone=zone)
    at = int(wiring.now()) - 600
    local = datetime.fromtimestamp(at + hours * 3600, UTC)
    (tmp_path / "a.log").write_text(f"{local:%Y-%m-%d %H:%M:%S},500 - shop - ERROR - the request timed out\n")
    scan()
    (group,) = ErrorGroups(redis).top(1)
    assert int(group.last_seen) == at
    assert redis.exists(shard_key(0, f"{SECOND}{at}"))


def test_an_old_failure_counts_as_late_as_may_be(scanner: Callable[..., Scan], redis: Redis, tmp_path: Path) -> None:
    scan = scanner("*.log")
    write(tmp_path / "a.log", [1])
    scan()
    (group,) = ErrorGroups(redis).top(1)
    assert wiring.now() - HISTORY - 60 < group.last_seen < wiring.now() - HISTORY + 60


def test_a_source_has_so_many_groups_and_then_one_for_all(
    scanner: Callable[..., Scan], redis: Redis, tmp_path: Path
) -> None:
    scan = scanner("*.log")
    for half in range(2):
        write(tmp_path / "a.log", range(half * 600, half * 600 + 600))
        scan()
        file_reader._bounds.cache_clear()  # another process
    groups = ErrorGroups(redis).top(10_000)
    assert len(groups) == LIMITS["group"] + 1
    assert (groups[0].template, groups[0].count) == (OTHER, 200)
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 1200}


def test_a_backlog_of_an_hour_is_a_bounded_step(scanner: Callable[..., Scan], redis: Redis, tmp_path: Path) -> None:
    scan = scanner("*.log")
    now = int(wiring.now())
    with (tmp_path / "a.log").open("w") as file:
        for at in range(now - 3500, now):
            file.write(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S},0 - shop - ERROR - it timed out\n")
    scan()
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 3500}
    assert 300 < len(list(redis.scan_iter(shard_key(0, f"{SECOND}*")))) < 500


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of a service whose records our writer has written."""
    folder = tmp_path / "logs" / "shop"
    folder.mkdir(parents=True)
    journal = Journal(tmp_path / "logs", time.time())
    extents = {f"shop/{name}.log": (1, 1, 1) for name in ("app", "errors", "access")}
    journal.record(extents, {})
    journal.close()
    return folder


def test_errors_of_our_own_files_are_in_groups_already(
    scanner: Callable[..., Scan], redis: Redis, tmp_path: Path, own: Path
) -> None:
    scan = scanner("logs/**/*.log*", "other/*.log")
    (tmp_path / "other").mkdir()
    for path in (own / "app.log", own / "app.log.1", own / "errors.log", own / "errors.log.1", own / "access.log"):
        path.write_bytes(ERROR)
    (own / "app.log.1").write_bytes(ERROR * 2)
    (tmp_path / "other" / "app.log").write_bytes(ERROR)
    scan()
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 4}
    assert [group.count for group in ErrorGroups(redis).top(10)] == [1]


@pytest.mark.parametrize("paths", [["logs/**/*.log*"], ["logs/*/*.log"], ["logs/shop/app.log", "logs/shop/errors.log"]])
def test_errors_log_is_not_read_while_app_log_is_rotated(
    scanner: Callable[..., Scan], redis: Redis, own: Path, paths: list[str]
) -> None:
    scan = scanner(*paths)
    for name in ("app.log", "errors.log"):
        (own / name).write_bytes(ERROR)
    scan()
    (own / "app.log").rename(own / "app.log.1")
    scan()
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 1}


def test_errors_log_alone_may_be_named(scanner: Callable[..., Scan], redis: Redis, own: Path) -> None:
    scan = scanner("logs/*/errors.log")
    (own / "errors.log").write_bytes(ERROR)
    scan()
    assert series(redis) == {'scan_errors_total{error_type="Timeout",source="nginx"}': 1}
    assert ErrorGroups(redis).top(10) == []


def test_secrets_of_a_scanned_log_stand_in_no_group(scanner: Callable[..., Scan], redis: Redis, tmp_path: Path) -> None:
    scan = scanner("*.log")
    (tmp_path / "error.log").write_bytes(
        b"2026-02-19 10:30:00,123 ERROR shop.db login with password=hunter2 timed out\n"
        b"Traceback (most recent call last):\n"
        b'  File "/srv/db.py", line 3, in login\n'
        b"    connect()\n"
        b"TimeoutError: postgresql://shop:hunter3@db/shop timed out\n"
    )
    scan()
    (group,) = ErrorGroups(redis).top(10)
    assert group.count == 1
    kept = b"".join(redis.dump(key) + key for key in redis.keys("*"))
    assert not any(secret in f"{group}".encode() + kept for secret in (b"hunter2", b"hunter3"))
