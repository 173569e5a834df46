"""A logger with a file of its own: rotation, drops, one warning, a listener that can be stopped."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logging_core.async_logging import DropQueueHandler, QueueListener, sample_queue_metrics, setup_async_logging
from logging_core.errors import ConfigError
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
NAME = "tests.binance_ws"
Setup = Callable[..., tuple[logging.Logger, QueueListener, DropQueueHandler]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs/binance_ws.log"


@pytest.fixture
def setup(path: Path) -> Iterator[Setup]:
    def setup(**options: Any) -> tuple[logging.Logger, QueueListener, DropQueueHandler]:
        return setup_async_logging(NAME, path, **{"to_console": False, **options})

    yield setup
    logger = logging.getLogger(NAME)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def messages(path: Path) -> list[str]:
    """Of all generations, the oldest first."""
    files = sorted(path.parent.glob(f"{path.name}*"), key=lambda each: int(each.suffix[1:] if each != path else 0))
    return [json.loads(line)["message"] for file in reversed(files) for line in file.read_text().splitlines()]


class Stalled:
    """A sink in front of the real one, that stands still until it is let go."""

    def __init__(self, handler: DropQueueHandler) -> None:
        self._sink, self._open = handler.sink, threading.Event()
        handler.sink = self

    def write(self, lines: Any) -> None:
        self._open.wait(20)
        self._sink.write(lines)

    def close(self) -> None:
        self._sink.close()

    def let_go(self) -> None:
        self._open.set()


def test_records_are_lines_of_json_in_the_file(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup(level="DEBUG")
    logger.debug("order book of %s", "BTC", extra={"bids": 3})
    listener.stop()
    [record] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (record["message"], record["bids"], record["logger"]) == ("order book of BTC", 3, NAME)
    assert isinstance(handler, logging.Handler)
    assert sample_queue_metrics(handler) == {"depth": 0, "max_depth": 1, "drops": 0}


def test_the_level_is_the_loggers(setup: Setup, path: Path) -> None:
    logger, listener, _ = setup(level=logging.WARNING)
    logger.info("no")
    logger.warning("yes")
    listener.stop()
    assert messages(path) == ["yes"]


def test_by_size_the_newest_sealed_file_has_the_number_one(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup(rotate="size", max_bytes=2000, backups=3)
    for number in range(100):
        logger.info("%d", number)
        assert handler.flush()
    listener.stop()
    assert sorted(each.name for each in path.parent.glob("binance_ws.log*")) == [
        "binance_ws.log", "binance_ws.log.1", "binance_ws.log.2", "binance_ws.log.3"
    ]  # fmt: skip
    kept = [int(message) for message in messages(path)]
    assert kept == list(range(kept[0], 100))
    assert all(each.stat().st_size <= 2000 for each in path.parent.glob("binance_ws.log*"))


def test_by_interval_each_interval_has_a_file(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup(rotate="interval", rotate_sec=1, max_bytes=1)
    numbers = iter(range(1_000_000))

    def log() -> bool:
        logger.info("%d", next(numbers))
        assert handler.flush()
        return path.with_name("binance_ws.log.2").exists()

    wait_until(log, within=10, what="two sealed files")
    listener.stop()
    assert [int(message) for message in messages(path)] == list(range(next(numbers)))


def test_a_full_queue_drops_what_comes_and_counts_it(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup(queue_max=10)
    stalled = Stalled(handler)
    for number in range(25):
        logger.info("%d", number)
    assert sample_queue_metrics(handler) == {"depth": 10, "max_depth": 10, "drops": 15}
    assert (handler.drops, handler.max_depth) == (15, 10)
    stalled.let_go()
    listener.stop()
    assert messages(path) == [str(number) for number in range(10)]
    assert sample_queue_metrics(handler) == {"depth": 0, "max_depth": 10, "drops": 15}


def test_a_nearly_full_queue_is_told_once_and_not_into_itself(
    setup: Setup, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger, listener, handler = setup(queue_max=10, propagate=True)
    logging.getLogger("logging_core.async_logging").addHandler(handler)
    try:
        stalled = Stalled(handler)
        for _ in range(25):
            logger.info("tick")
    finally:
        logging.getLogger("logging_core.async_logging").removeHandler(handler)
    warnings = [record for record in caplog.records if record.name == "logging_core.async_logging"]
    assert [record.getMessage() for record in warnings] == [
        f"the log queue of {NAME} is nearly full: 8 of 10 records wait"
    ]
    assert warnings[0].levelno == logging.WARNING
    stalled.let_go()
    listener.stop()
    assert messages(path) == ["tick"] * 10


def test_set_up_again_it_writes_each_record_once(setup: Setup, path: Path) -> None:
    others = logging.NullHandler()
    logging.getLogger(NAME).addHandler(others)
    logger, _, old = setup()
    logger.info("one")
    same, listener, new = setup(level=logging.ERROR)
    assert same is logger
    assert logger.handlers == [others, new]
    logger.info("none")
    logger.error("two")
    listener.stop()
    assert messages(path) == ["one", "two"]
    assert old.stats()["written"] == new.stats()["written"] == 1


def test_a_stopped_listener_drops_and_a_started_one_goes_on(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup()
    listener.start()
    logger.info("one")
    listener.stop()
    listener.stop()
    logger.info("lost")
    assert handler.drops == 1
    listener.start()
    logger.info("two")
    listener.stop()
    assert messages(path) == ["one", "two"]
    assert sample_queue_metrics(handler) == {"depth": 0, "max_depth": 1, "drops": 1}


def test_the_console_has_readable_lines_too(setup: Setup, capfd: pytest.CaptureFixture[str]) -> None:
    logger, listener, _ = setup(to_console=True)
    logger.warning("stock is low", extra={"left": 3})
    listener.stop()
    assert f"WARNING  {NAME}: stock is low left=3\n" in capfd.readouterr().err


def test_records_go_on_to_the_loggers_above_only_when_asked(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    logger, _, _ = setup()
    logger.info("own")
    logger, _, _ = setup(propagate=True)
    logger.info("shared")
    assert caplog.messages == ["shared"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotate": "daily"}, "rotate: must be 'interval' or 'size', not 'daily'"),
        ({"rotate_sec": 0}, "rotate_sec: must be a number of seconds, at least 1, not '0'"),
        ({"max_bytes": 0}, "max_bytes: must be a whole number of at least 1, not '0'"),
        ({"backups": 0}, "backups: must be a whole number, 1 to 999, not '0'"),
        ({"queue_max": True}, "queue_max: must be a whole number of at least 1, not 'True'"),
        ({"level": "LOUD"}, "level: must be a level"),
        ({"to_console": "yes"}, "to_console: must be true or false, not 'yes'"),
    ],
)
def test_arguments_that_cannot_be_used_are_named_and_change_nothing(
    setup: Setup, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        setup(**options)
    assert logging.getLogger(NAME).handlers == []


def test_a_file_that_cannot_be_written_is_told_at_once(setup: Setup, path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(ConfigError, match=f"{path}: File exists"):
        setup()
    assert logging.getLogger(NAME).handlers == []


def test_a_forked_child_writes_and_counts_its_own(setup: Setup, path: Path) -> None:
    logger, listener, handler = setup(queue_max=10)
    stalled = Stalled(handler)
    for _ in range(25):
        logger.info("parent")
    stalled.let_go()
    assert handler.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            logger.info("child")
            status = int(not handler.flush(5) or handler.drops != 0)
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    listener.stop()
    assert messages(path) == ["parent"] * 10 + ["child"]


PROGRAM = """
import sys
from logging_core.async_logging import setup_async_logging
logger, listener, handler = setup_async_logging("ws", sys.argv[1], to_console=False)
for number in range(5000):
    logger.info("%d", number)
"""


def test_a_program_that_just_ends_leaves_nothing_behind(path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=60,
    )  # fmt: skip
    assert messages(path) == [str(number) for number in range(5000)]
