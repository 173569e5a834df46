"""The handler is a good guest: it never raises, never waits, survives fork and kill, and loses nothing it accepted."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from logging_core import RedisStreamHandler
from logging_core.sampling import Duplicates, Sampler, Sampling
from logging_core.streams.account import account
from logging_core.streams.stream import Keys
from tests.waiting import free_port, wait_until

Make = Callable[..., tuple[logging.Logger, RedisStreamHandler]]


@pytest.fixture
def make(redis: Redis, redis_server: str, tmp_path: Any) -> Iterator[Make]:
    handlers = []

    def _make(**options: Any) -> tuple[logging.Logger, RedisStreamHandler]:
        handler = RedisStreamHandler(
            **{"redis_url": redis_server, "service": "shop", "spool_dir": tmp_path, "spill_dir": None} | options
        )
        handlers.append(handler)
        logger = logging.Logger("shop.api")  # noqa: LOG001  # one that no other test knows
        logger.addHandler(handler)
        return logger, handler

    yield _make
    for handler in handlers:
        handler.close()


def shipped(redis: Redis) -> list[dict[str, Any]]:
    entries: Any = redis.xrange(Keys().stream)
    return [json.loads(line) for _, fields in entries for line in fields[b"body"].splitlines()]


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_records_arrive_in_order_with_their_numbers(make: Make, redis: Redis, buffer: str) -> None:
    logger, handler = make(buffer=buffer)
    for number in range(1000):
        logger.info("record %d", number, extra={"number": number})
    assert handler.flush(10)
    assert [record["number"] for record in shipped(redis)] == list(range(1000))
    stats = handler.stats()
    assert stats.pop("max_depth") >= stats.pop("depth") == 0
    assert stats == {"accepted": 1000, "shipped": 1000, "waiting": 0, "dropped": {}}


def test_what_dies_with_a_memory_buffer_is_said(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    logger, handler = make(redis_url=f"redis://127.0.0.1:{free_port()}/0", buffer="memory")
    for _ in range(3):
        logger.info("lost")
    handler.close()
    assert "tocsin: 3 log records were not shipped: redis://127.0.0.1:" in capfd.readouterr().err


def test_threads_lose_and_repeat_nothing(make: Make, redis: Redis) -> None:
    logger, handler = make()
    threads = [
        threading.Thread(target=lambda i=i: [logger.info("x", extra={"at": (i, n)}) for n in range(500)])
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(10)
    seen = [tuple(record["at"]) for record in shipped(redis)]
    assert len(seen) == 10_000
    assert set(seen) == {(i, n) for i in range(20) for n in range(500)}


def test_nothing_to_say_is_no_connection_and_no_folder(make: Make, tmp_path: Any) -> None:
    _, handler = make()
    assert handler.flush()
    assert handler.stats()["accepted"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("buffer", "max_bytes"), [("spool", 2 * 1024 * 1024), ("memory", 2 * 1024 * 1024)])
def test_redis_away_costs_the_caller_nothing_and_the_rest_is_counted(make: Make, buffer: str, max_bytes: int) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    logger, handler = make(redis_url=nobody, buffer=buffer, max_bytes=max_bytes, max_records=500)
    slowest = 0.0
    for _ in range(3000):
        start = time.perf_counter()
        logger.info("x" * 1000)
        slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 5  # a hang, not a pace
    stats = handler.stats()
    assert stats["accepted"] + stats["dropped"]["buffer_full"] == 3000
    assert stats["waiting"] == stats["accepted"]
    assert not handler.flush(0.2)


def test_a_server_that_accepts_and_never_answers_does_not_hold_the_caller(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        logger, handler = make(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        for _ in range(100):
            logger.info("x")
        assert handler.stats()["accepted"] == 100


def test_what_waited_for_redis_arrives_when_it_is_back(make: Make, redis: Redis, redis_server: str) -> None:
    logger, handler = make()
    logger.info("before")
    assert handler.flush(5)
    redis.execute_command("CLIENT", "PAUSE", "300", "ALL")
    for number in range(100):
        logger.info("during %d", number)
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert handler.flush(20)
    messages = [record["message"] for record in shipped(redis)]
    assert messages == ["before", *(f"during {number}" for number in range(100))]


def test_a_redis_that_forgot_everything_is_sent_all_that_was_not_written(make: Make, redis: Redis) -> None:
    logger, handler = make()
    for number in range(50):
        logger.info("record %d", number)
    assert handler.flush(5)
    redis.flushall()
    logger.info("record 50")
    wait_until(lambda: len(shipped(redis)) >= 51, what="all records to be sent again")
    assert [record["message"] for record in shipped(redis)] == [f"record {number}" for number in range(51)]


@pytest.mark.parametrize("arrangement", ["redis_server", "redis_cluster", "redis_sentinel"])
def test_neither_logging_nor_shipping_imports_anything(
    arrangement: str, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    """A module that another thread imports at the moment of a fork is locked for ever in the child."""
    program = """
import logging, sys
from logging_core import RedisStreamHandler
handler = RedisStreamHandler(sys.argv[1], spool_dir=sys.argv[2], spill_dir=sys.argv[2] + "/spill")
logger = logging.getLogger()
logger.addHandler(handler)
known = set(sys.modules)
logger.warning("one %s", {1}, extra={"field": 1.5})
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("two")
assert handler.flush(20)
print(*sorted(set(sys.modules) - known))
"""
    found = subprocess.run(
        [sys.executable, "-c", program, request.getfixturevalue(arrangement), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.stdout, found.stderr) == ("\n", "")


def test_a_forked_child_is_a_producer_of_its_own(make: Make, redis: Redis) -> None:
    logger, handler = make()
    logger.info("parent 1")
    assert handler.flush(5)
    pid = os.fork()
    if pid == 0:
        logger.info("child")
        os._exit(0 if handler.flush(10) and handler.stats()["accepted"] == 1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    logger.info("parent 2")
    assert handler.flush(5)
    assert sorted(record["message"] for record in shipped(redis)) == ["child", "parent 1", "parent 2"]
    assert redis.scard(Keys().producers) == 2


KILLED = """
import logging, os, signal, sys
from logging_core import RedisStreamHandler
handler = RedisStreamHandler(sys.argv[1], "shop", spool_dir=sys.argv[2])
logger = logging.Logger("x")
logger.addHandler(handler)
for number in range(3000):
    logger.info("record", extra={"number": number})
print(handler.stats()["accepted"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_application_accepted_is_shipped_by_the_next_one(
    make: Make, redis: Redis, redis_server: str, tmp_path: Any
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, redis_server, str(tmp_path)], stdout=subprocess.PIPE, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert int(killed.stdout) == 3000
    logger, _ = make()
    logger.info("alive", extra={"number": -1})
    wait_until(lambda: len(shipped(redis)) == 3001, what="the dead process's records")
    numbers = [record["number"] for record in shipped(redis)]
    assert sorted(numbers) == list(range(-1, 3000))
    assert account(redis).accepted == 3001


EXITS = """
import logging, sys
from logging_core import RedisStreamHandler
handler = RedisStreamHandler(
    sys.argv[1], "shop", buffer=sys.argv[3], spool_dir=sys.argv[2], spill_dir=None
)
logging.getLogger().addHandler(handler)
for number in range(2000):
    logging.warning("record %d", number)
"""


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_a_program_that_ends_ships_what_it_logged(redis: Redis, redis_server: str, tmp_path: Any, buffer: str) -> None:
    subprocess.run([sys.executable, "-c", EXITS, redis_server, str(tmp_path), buffer], check=True, timeout=30)
    assert [record["message"] for record in shipped(redis)] == [f"record {number}" for number in range(2000)]


def test_a_program_that_ends_without_redis_ends_soon_and_leaves_its_records(tmp_path: Any) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    subprocess.run([sys.executable, "-c", EXITS, nobody, str(tmp_path), "spool"], check=True, timeout=30)
    assert len(list(tmp_path.glob("*/*/*.segment"))) == 1


def test_the_shippers_own_libraries_are_not_shipped(make: Make, redis: Redis) -> None:
    logger, handler = make()
    logging.getLogger("redis").addHandler(handler)
    try:
        logger.info("mine")
        assert handler.flush(5)
        record = logging.LogRecord("redis", logging.INFO, "", 0, "theirs", None, None)
        (record.thread,) = handler.own_threads
        handler.emit(record)
        logging.getLogger("redis").warning("mine too: I use redis as well")
        assert handler.flush(5)
    finally:
        logging.getLogger("redis").removeHandler(handler)
    assert [record["message"] for record in shipped(redis)] == ["mine", "mine too: I use redis as well"]


def test_filters_and_levels_are_honoured(make: Make, redis: Redis) -> None:
    logger, handler = make(level="WARNING")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    logger.info("below")
    logger.warning("a secret")
    logger.warning("kept")
    assert handler.flush(5)
    assert [record["message"] for record in shipped(redis)] == ["kept"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"service": "../etc"}, "service: letters"),
        ({"buffer": "disk"}, "buffer is 'spool' or 'memory', not 'disk'"),
        ({"max_bytes": 10}, "max_bytes is at least 2 MiB"),
        ({"overflow": "drop"}, "overflow is one of drop_newest, drop_oldest, drop_lowest, block, not 'drop'"),
    ],
)
def test_a_mistake_is_told_when_the_handler_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RedisStreamHandler("redis://127.0.0.1/0", **{"service": "shop"} | options)


def test_a_closed_handler_refuses_counts_and_raises_nothing(make: Make) -> None:
    logger, handler = make()
    logger.info("x")
    handler.close()
    threads = [threading.Thread(target=logger.info, args=("late",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    stats = handler.stats()
    assert (stats["accepted"], stats["shipped"], stats["dropped"]) == (1, 1, {"closed": 10})


def test_without_a_thread_to_ship_flush_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    logger, handler = make()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        logger.info("x")
    assert handler.stats()["accepted"] == 1
    assert not handler.flush(0.1)  # and tries again to have one
    assert handler.flush(10)


def test_repetitions_are_told_though_nothing_more_is_logged(make: Make, redis: Redis) -> None:
    logger, _ = make(sampler=Sampler(Sampling(duplicates=Duplicates(1, 0.1))))
    for _ in range(5):
        logger.info("again")
    wait_until(lambda: len(shipped(redis)) == 2, what="the sum of the repetitions")
    assert shipped(redis)[1]["message"] == "again (repeated 4 times)"
