"""A record that may go on is left for the next scan, but does not wait for ever."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from rules.error_groups import ErrorGroups
from tasks import record_window
from tasks.file_reader import FileReader
from tasks.log_scan import LogScan
from tasks.settings import ScanSettings, ScanSource, Settings

HEADER = b"2026-02-19 10:30:00,123 - shop - ERROR - order 17 was not placed\n"
TRACEBACK = b"""\
Traceback (most recent call last):
  File "/srv/shop/orders.py", line 42, in place
    response = session.post(url, timeout=5)
"""
EXCEPTION = b"requests.exceptions.ReadTimeout: the request timed out\n"
NEXT = b"2026-02-19 10:30:05,000 - shop - INFO - order 18 was placed\n"

SETTLED, ABANDONED = 300.0, 3000.0  # seconds, so long that no machine is too slow for these tests

Write = Callable[[bytes, float], list[str]]


@pytest.fixture
def write(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Append to a file, let so many seconds pass and scan it; the messages of the failures so far."""
    monkeypatch.setattr(record_window, "SETTLED", SETTLED)
    monkeypatch.setattr(record_window, "ABANDONED", ABANDONED)
    log = tmp_path / "app.log"
    configured = Settings(scan=ScanSettings(sources=(ScanSource(name="shop", paths=[str(log)]),)))

    def write(text: bytes, idle: float) -> list[str]:
        with log.open("ab") as file:
            file.write(text)
        os.utime(log, (time.time() - idle,) * 2)
        reader = FileReader(redis, configured, time.monotonic() + 8)
        LogScan(redis, configured, "here", reader).run(configured.scan.sources)
        return [group.sample for group in ErrorGroups(redis).top(10) for _ in range(group.count)]

    write(b"", 0)
    return write


def test_a_traceback_that_is_still_being_written(write: Write) -> None:
    for text in (HEADER, TRACEBACK[:50], TRACEBACK[50:], EXCEPTION):
        assert write(text, 0) == []
    assert write(NEXT, 0) == ["order 17 was not placed"]


def test_a_traceback_without_a_header_that_is_still_being_written(write: Write) -> None:
    assert write(TRACEBACK, 0) == write(EXCEPTION, 0) == []
    assert len(write(NEXT, 0)) == 1


def test_the_last_record_of_a_file_is_complete_when_nobody_has_written_for_a_while(write: Write) -> None:
    text = HEADER + TRACEBACK + EXCEPTION
    assert write(text, SETTLED / 2) == []
    assert write(b"", SETTLED + 1) == write(b"", 2 * SETTLED) == ["order 17 was not placed"]
    assert len(write(NEXT + text, 2 * SETTLED)) == 2


def test_a_record_in_json_is_complete_at_once(write: Write) -> None:
    line = b'{"timestamp":"2026-02-19T10:30:00+00:00","level":"ERROR","message":"the request timed out"}'
    assert write(line, 0) == []
    assert write(b"\n", 0) == ["the request timed out"]


def test_a_line_without_an_end_waits_long_and_its_rest_is_nothing_of_its_own(write: Write) -> None:
    line = b"2026-02-19 10:30:00,123 - shop - ERROR - the request timed out"
    assert write(line, ABANDONED / 2) == []
    assert write(b"", ABANDONED + 1) == ["the request timed out"]
    assert write(b", a connection timed out", 2 * ABANDONED) == ["the request timed out"]
    assert write(b"\n" + NEXT, 0) == ["the request timed out"]
    assert len(write(HEADER + TRACEBACK + EXCEPTION + NEXT, 0)) == 2


def test_a_time_that_is_still_to_come_does_not_hold_a_record_back(write: Write) -> None:
    assert write(HEADER + TRACEBACK + EXCEPTION, -3600) == ["order 17 was not placed"]
