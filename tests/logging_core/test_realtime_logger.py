"""The realtime log in real files: by day, through failures, threads, forks and a killed process."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logging_core.background import Line
from logging_core.errors import ConfigError
from logging_core.realtime import AsyncLogWriter, RealtimeLogger, get_realtime_logger
from logging_core.realtime import logger as realtime_logger
from logging_core.storage.dated_files import DatedFiles
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
Make = Callable[..., RealtimeLogger]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    made: list[RealtimeLogger] = []

    def make(**options: Any) -> RealtimeLogger:
        made.append(RealtimeLogger(folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.shutdown()


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def numbers(folder: Path) -> list[int]:
    return [record["number"] for record in written(folder)]


def test_entries_are_in_the_file_of_the_day_when_flush_returns(make: Make, folder: Path) -> None:
    logger = make(file_prefix="my_app", buffer_size=5000, auto_flush_interval=10.0)
    before = datetime.now(UTC).date()
    assert logger.log({"message": "one", "timestamp": "2023-11-01T12:34:56"})
    assert logger.log_batch([{"message": "two"}, {"message": "three"}, {"neither": "nor"}]) == 2
    assert logger.flush()
    assert [record["message"] for record in written(folder)] == ["one", "two", "three"]
    [path] = folder.glob("*.jsonl")
    assert path.name in {f"my_app_{day.isoformat()}.jsonl" for day in (before, datetime.now(UTC).date())}
    record = written(folder)[0]
    assert (record["logger"], record["function"]) == (
        "realtime",
        "test_entries_are_in_the_file_of_the_day_when_flush_returns",
    )


def test_an_entry_is_in_the_file_soon_without_a_flush(make: Make, folder: Path) -> None:
    make().log({"message": "m"})
    wait_until(lambda: written(folder), what="the entry")


def test_what_is_invalid_is_refused_counted_and_told_once(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    logger = make()
    assert [logger.log({"neither": "nor"}) for _ in range(3)] == [False] * 3
    assert logger.get_stats()["invalid"] == 3
    assert logger.get_stats()["accepted"] == 0
    assert capfd.readouterr().err.count("was refused") == 1


def test_without_validation_anything_goes(make: Make, folder: Path) -> None:
    logger = make(validate=False)
    assert logger.log({"neither": "nor", "nan": float("nan"), "raw": b"\xff", 5: "five"})
    assert logger.flush()
    [record] = written(folder)
    assert (record["neither"], record["5"], record["altered"]["nan"]) == ("nor", "five", "nan")


def test_the_statistics_add_up(make: Make) -> None:
    logger = make()
    logger.log_batch({"message": "m", "number": number} for number in range(2000))
    assert logger.flush()
    stats = logger.get_stats()
    assert (stats["accepted"], stats["written"], stats["waiting"], stats["depth"]) == (2000, 2000, 0, 0)
    assert (stats["dropped"], stats["retries"], stats["failures"], stats["invalid"]) == ({}, 0, 0, 0)
    assert 0 < stats["latency_ms"]["mean"] <= stats["latency_ms"]["p99"]
    assert stats["records_per_second"] > 0
    assert 0 < stats["max_depth"] <= 2000


def test_many_threads_lose_nothing(make: Make, folder: Path) -> None:
    logger = make()

    def log(thread: int) -> None:
        for number in range(500):
            assert logger.log({"message": "m", "number": thread * 500 + number})

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logger.flush(10)
    assert sorted(numbers(folder)) == list(range(4000))


class Broken:
    """A folder that somebody has put a file in the place of."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._aside = folder, folder.with_name("aside")

    def __enter__(self) -> None:
        self._folder.rename(self._aside)
        self._folder.write_text("")

    def __exit__(self, *_: object) -> None:
        self._folder.unlink()
        with suppress(OSError):  # the writer was quicker and made the folder anew; nothing was in the old one
            self._aside.rename(self._folder)


def test_what_cannot_be_written_is_tried_again_and_nothing_is_lost(make: Make, folder: Path) -> None:
    logger = make(max_retries=1)
    with Broken(folder):
        for number in range(100):
            assert logger.log({"message": "m", "number": number})
        wait_until(lambda: logger.get_stats()["retries"] >= 3, what="retries")
    assert logger.flush(10)
    assert numbers(folder) == list(range(100))
    assert logger.get_stats()["failures"] == 0


def test_after_its_retries_a_batch_makes_room_for_newer_ones(
    make: Make, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = make(buffer_size=1, max_retries=0)
    with Broken(folder):
        taken = sum(logger.log({"message": "m", "number": number}) for number in range(30))
        wait_until(lambda: logger.get_stats()["failures"], what="giving up")
    tries = 1
    while not logger.log({"message": "m", "number": 1000}):  # there is room once the given-up batch has left the queue
        tries += 1
        time.sleep(0.001)
    assert logger.flush(10)
    stats = logger.get_stats()
    assert stats["dropped"]["sink"] >= 1
    assert stats["dropped"].get("queue_full", 0) == 30 - taken + tries - 1
    assert stats["written"] + stats["dropped"]["sink"] == stats["accepted"] == taken + 1
    assert numbers(folder)[-1] == 1000
    assert capfd.readouterr().err.count("lost in the sink: GivenUpError") == 1


def test_a_full_buffer_says_no_and_does_not_wait(make: Make, folder: Path) -> None:
    logger = make(buffer_size=1, max_retries=1000)
    with Broken(folder):
        answers = [logger.log({"message": "m", "number": number}) for number in range(20)]
    assert answers == [True] * 10 + [False] * 10
    assert logger.flush(10)
    assert numbers(folder) == list(range(10))
    assert logger.get_stats()["dropped"] == {"queue_full": 10}


def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    now = [datetime(2026, 2, 19, 23, 59, 59, tzinfo=UTC).timestamp()]
    files = DatedFiles(
        tmp_path, "app", max_retries=3, sync_interval=0.001, is_crowded=lambda: False, clock=lambda: now[0]
    )
    files.write([Line(20, b'{"number":1}\n')])
    now[0] += 1
    files.write([Line(20, b'{"number":2}\n')])
    files.write([Line(20, b'{"number":3}\n')])
    files.close()
    assert {path.name: path.read_text() for path in tmp_path.glob("*.jsonl")} == {
        "app_2026-02-19.jsonl": '{"number":1}\n',
        "app_2026-02-20.jsonl": '{"number":2}\n{"number":3}\n',
    }


def test_after_shutdown_entries_are_refused(make: Make, folder: Path) -> None:
    logger = make()
    logger.log({"message": "m", "number": 1})
    logger.shutdown()
    logger.shutdown()
    assert numbers(folder) == [1]
    assert not logger.log({"message": "m", "number": 2})
    assert logger.get_stats()["dropped"] == {"closed": 1}


def test_a_forked_child_writes_its_own_entries_and_counts_anew(make: Make, folder: Path) -> None:
    logger = make()
    logger.log({"message": "m", "number": 1})
    logger.log({"neither": "nor"})
    assert logger.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            logger.log({"message": "m", "number": 2})
            stats = logger.get_stats() if logger.flush(5) else {}
            status = int((stats["accepted"], stats["invalid"]) != (1, 0))
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    logger.log({"message": "m", "number": 3})
    assert logger.flush()
    assert numbers(folder) == [1, 2, 3]


PROGRAM = """
import os, sys
from logging_core.realtime import RealtimeLogger
logger = RealtimeLogger(sys.argv[1])
logger.log_batch({"message": "m", "number": number} for number in range(1000))
if sys.argv[2] == "flush":
    logger.flush()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("how", "status"), [("flush", -signal.SIGKILL), ("end", 0)])
def test_what_was_flushed_survives_a_kill_and_what_was_not_the_end(folder: Path, how: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, how], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert done.returncode == status
    assert numbers(folder) == list(range(1000))


FULL_DISK = """
import resource, signal, sys
from logging_core.realtime import RealtimeLogger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
logger = RealtimeLogger(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
taken = logger.log_batch({"message": "m", "number": number} for number in range(1000))
assert not logger.flush(0.3)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert logger.flush(10)
assert taken == logger.get_stats()["written"] == 1000
"""


def test_a_full_disk_that_gets_room_again_has_each_line_once_and_whole(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, folder],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert numbers(folder) == list(range(1000))
    assert done.stderr.count("cannot be written, and wait") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file_prefix": "../x"}, "file_prefix: letters"),
        ({"buffer_size": 0}, "buffer_size is at least 1, not 0"),
        ({"auto_flush_interval": 0}, "auto_flush_interval is more than 0 seconds, not 0"),
        ({"max_retries": -1}, "max_retries is at least 0, not -1"),
    ],
)
def test_arguments_out_of_bounds_are_named(make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_folder_that_cannot_be_made_is_told_at_once(make: Make, folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(ConfigError, match=f"{folder}: File exists"):
        make()


def test_the_processes_own_logger_is_one_until_it_is_shut_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(realtime_logger, "_PROCESS", {})
    logger = get_realtime_logger()
    assert get_realtime_logger() is logger
    logger.log({"message": "m", "number": 1})
    logger.shutdown()
    assert get_realtime_logger() is not logger
    get_realtime_logger().log({"message": "m", "number": 2})
    get_realtime_logger().shutdown()
    assert numbers(tmp_path / "logs/realtime") == [1, 2]


def test_the_writer_is_a_handler_too(folder: Path) -> None:
    logger, writer = logging.getLogger("tests.shop"), AsyncLogWriter(folder, "shop")
    logger.addHandler(writer)
    logger.error("order failed", extra={"number": 7})
    logger.removeHandler(writer)
    writer.close()
    assert numbers(folder) == [7]
