"""Redis away for longer than memory lasts: all arrives in order once it is there, whoever is killed meanwhile."""

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis, RedisError

from logging_core import RedisStreamHandler
from logging_core.buffers.segment import SIZE
from logging_core.buffers.spool import SpoolBuffer
from logging_core.streams.stream import Keys
from tests.waiting import free_port, wait_until
from tocsin import embedded_redis

RECORDS = 200_000
SLOWEST = 1.0  #: seconds of a call; a hang, and not the pace of a loaded machine


@contextmanager
def serving(port: int, folder: Path) -> Iterator[Redis]:
    """A Redis that comes up now."""
    embedded_redis.make_folder(folder)
    with subprocess.Popen(embedded_redis.command(port, folder), stdout=subprocess.DEVNULL) as server:
        client = Redis(port=port, protocol=2)
        try:
            wait_until(lambda: answers(client), what="Redis")
            yield client
        finally:
            client.close()
            server.terminate()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def numbers(redis: Redis) -> list[int]:
    """Of all records in the stream, each once and in its place."""
    found: list[int] = []
    last = b"-"
    while entries := cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(Keys().stream, last, count=50)):
        for _, fields in entries:
            assert int(fields[b"first"]) == len(found) + 1
            found += [json.loads(line)["number"] for line in fields[b"body"].splitlines()]
        last = b"(" + entries[-1][0]
    return found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., tuple[logging.Logger, RedisStreamHandler]]]:
    handlers = []

    def _make(port: int, **options: Any) -> tuple[logging.Logger, RedisStreamHandler]:
        folders = {"spool_dir": tmp_path / "spool", "spill_dir": tmp_path / "disk"}
        handler = RedisStreamHandler(
            f"redis://127.0.0.1:{port}/0", **{"service": "shop", "max_bytes": 4 * SIZE, **folders} | options
        )
        handlers.append(handler)
        logger = logging.Logger("shop")  # noqa: LOG001  # one that no other test knows
        logger.addHandler(handler)
        return logger, handler

    yield _make
    for handler in handlers:
        handler.close()


def test_what_was_logged_while_redis_was_away_arrives_whole_and_in_order(
    make: Callable[..., tuple[logging.Logger, RedisStreamHandler]], tmp_path: Path
) -> None:
    port = free_port()
    logger, handler = make(port)
    slowest = 0.0
    for number in range(RECORDS):
        start = time.perf_counter()
        logger.info("stock is low, and that is all there is to say about it", extra={"number": number, "pad": "x" * 60})
        slowest = max(slowest, time.perf_counter() - start)
        rest_if_half_full(handler, number)
    stats = handler.stats()
    assert (stats["accepted"], stats["dropped"]) == (RECORDS, {})
    assert slowest < SLOWEST
    spilled = sum(path.stat().st_size for path in tmp_path.glob("disk/*/*/*.segment"))
    assert spilled > 40 * SIZE
    with serving(port, tmp_path / "redis") as redis:
        assert handler.flush(60)
        assert numbers(redis) == list(range(RECORDS))


def rest_if_half_full(handler: RedisStreamHandler, number: int) -> None:
    """Memory holds a tenth of a second of the pace at which one thread can log; a disk may take longer."""
    buffer = handler._buffer
    assert isinstance(buffer, SpoolBuffer)
    if number % 500 == 0:
        wait_until(lambda: len(buffer._segments) <= 3, what="the disk to take what is in memory")


SPILLS = """
import logging, os, signal, sys, time
from logging_core import RedisStreamHandler
from pathlib import Path
handler = RedisStreamHandler(
    sys.argv[1], "shop", spool_dir=sys.argv[2], spill_dir=sys.argv[3], max_bytes=4 * 1024 * 1024
)
logger = logging.Logger("x")
logger.addHandler(handler)
for number in range(60_000):
    logger.info("record", extra={"number": number, "pad": "x" * 100})
    while len(handler._buffer._segments) > 3:
        time.sleep(0.001)
assert list(Path(sys.argv[3]).glob("*/*/*.segment"))
print(handler.stats()["accepted"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_spilled_is_shipped_by_the_next_one(
    make: Callable[..., tuple[logging.Logger, RedisStreamHandler]], tmp_path: Path
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    killed = subprocess.run(
        [sys.executable, "-c", SPILLS, url, str(tmp_path / "spool"), str(tmp_path / "disk")],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert int(killed.stdout) == 60_000
    with serving(port, tmp_path / "redis") as redis:
        _, handler = make(port)
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "alive", None, None))
        wait_until(lambda: shipped(redis) == 60_001, what="the dead process's records")
        trim(redis, b"alive")
        assert numbers(redis) == list(range(60_000))


def shipped(redis: Redis) -> int:
    return int(redis.hget(Keys().shard, "records") or 0)  # type: ignore[arg-type]


def trim(redis: Redis, message: bytes) -> None:
    """Take the entry with this message out."""
    for id_, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(Keys().stream)):
        if message in fields[b"body"]:
            redis.xdel(Keys().stream, id_)


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_drop_oldest_tells_the_stream_what_it_dropped(
    make: Callable[..., tuple[logging.Logger, RedisStreamHandler]], tmp_path: Path, buffer: str
) -> None:
    port = free_port()
    logger, handler = make(port, buffer=buffer, overflow="drop_oldest", spill_dir=None, max_records=5000)
    for number in range(40_000):
        logger.info("record", extra={"number": number, "pad": "x" * 100})
    stats = handler.stats()
    assert stats["accepted"] == 40_000
    dropped = stats["dropped"]["drop_oldest"]
    assert stats["dropped"] == {"drop_oldest": dropped}
    with serving(port, tmp_path / "redis") as redis:
        assert handler.flush(60)
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(Keys().stream))
        assert entries[0][1][b"first"] == b"%d" % (dropped + 1)
        assert entries[0][1][b"gaps"] == b"1-%d:drop_oldest" % dropped
        assert not any(b"gaps" in fields for _, fields in entries[1:])
        assert sum(int(fields[b"count"]) for _, fields in entries) == 40_000 - dropped


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_block_slows_the_caller_down_and_refuses_nothing_while_redis_is_slow(
    make: Callable[..., tuple[logging.Logger, RedisStreamHandler]], tmp_path: Path, buffer: str
) -> None:
    port = free_port()
    with serving(port, tmp_path / "redis") as redis:
        logger, handler = make(
            port, buffer=buffer, overflow="block", block_timeout=30, max_bytes=2 * SIZE, max_records=500, spill_dir=None
        )
        redis.client_pause(1000)
        for number in range(20_000):
            logger.info("record", extra={"number": number, "pad": "x" * 100})
        assert handler.stats()["dropped"] == {}
        assert handler.flush(60)
        assert numbers(redis) == list(range(20_000))
