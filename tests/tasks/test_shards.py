"""Several shards: each has one writer and files of its own, readers add them up, and one may move to another place."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from logging_core.buffers.spool import spool_root
from logging_core.storage.journal import place
from logging_core.streams.account import account, retire
from logging_core.streams.shard import Shard
from logging_core.streams.shipper import ship_orphans
from logging_core.streams.stream import Keys, append, choose_shard, open_shards, shard_key, shards
from rules.error_groups import ErrorGroups
from rules.series import SeriesReader
from tasks import ingest, settings, wiring

PRODUCERS = ["1" * 32, "2" * 32]

Configure = Callable[..., settings.Settings]


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Become a host: its `LOG_DIR` and its name."""

    def become(name: str = "one", **ingest_changes: Any) -> settings.Settings:
        given = settings.Settings()
        changes = {"budget": 0.2, "block": 0.05} | ingest_changes
        now = given.model_copy(update={"log_dir": tmp_path / name, "ingest": given.ingest.model_copy(update=changes)})
        monkeypatch.setattr(settings, "load", lambda: now)
        monkeypatch.setattr("socket.gethostname", lambda: name)
        return now

    return become


def send(
    redis: Redis, producer: str, shard: int, first: int, count: int, *, level: str = "ERROR", gaps: str = ""
) -> None:
    records = [
        {"timestamp": "2026-01-01T00:00:00+00:00", "level": level, "logger": "shop", "message": "bad", "n": number}
        for number in range(first, first + count)
    ]
    body = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    accepted = {"accepted": first + count - 1}
    reply = append(
        redis, producer, "shop", first=first, count=count, body=body, jump=True, gaps=gaps, report=accepted, shard=shard
    )
    assert reply.status == "ok"


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()] if path.exists() else []


def queued(redis: Redis, configured: settings.Settings) -> list[int]:
    """The shards that somebody is asked to write in this place, and forget it."""
    key = f"tocsin:celery:{ingest.queue_of(place(configured.log_dir))}"
    messages = [json.loads(text) for text in redis.lrange(key, 0, -1)]
    redis.delete(key)
    return sorted(ast.literal_eval(each["headers"]["argsrepr"])[0] for each in messages)


def test_producers_are_spread_and_stay_where_they_are(redis: Redis) -> None:
    assert choose_shard(redis, PRODUCERS[0]) == 0
    assert shards(redis) == [0]
    open_shards(redis, 4)
    chosen = {f"{n:032x}": choose_shard(redis, f"{n:032x}") for n in range(64)}
    assert set(chosen.values()) == {0, 1, 2, 3}
    assert chosen == {producer: choose_shard(redis, producer) for producer in chosen}
    open_shards(redis, 2)
    assert {choose_shard(redis, producer) for producer in chosen} == {0, 1}
    assert shards(redis) == [0, 1, 2, 3]  # what the others hold is written all the same


def test_each_shard_has_files_of_its_own_and_readers_add_them_up(redis: Redis, on: Configure) -> None:
    configured = on(shards=2)
    ingest.guard.run()
    send(redis, PRODUCERS[0], 0, 1, 3)
    send(redis, PRODUCERS[1], 1, 1, 4)
    assert account(redis)[:3] == (7, 0, 7)
    for shard in (0, 1):
        ingest.ingest.run(shard)
    folder = configured.log_dir / "shop"
    assert [numbers(folder / name) for name in ("app.log", "app-1.log")] == [[1, 2, 3], [1, 2, 3, 4]]
    assert [numbers(folder / name) for name in ("errors.log", "errors-1.log")] == [[1, 2, 3], [1, 2, 3, 4]]
    found = account(redis)
    assert found[:3] == (7, 7, 0)
    assert found.lost == 0
    assert [part.number for part in found.shards] == [0, 1]
    (group,) = ErrorGroups(redis).top(10)
    assert (group.count, group.place.file) in [(7, "shop/errors.log"), (7, "shop/app.log"), (7, "shop/app-1.log")]
    window = SeriesReader(redis).window(wiring.now(), 3600)
    (counter,) = window._counters["log_errors_total"]
    assert counter.total == 7
    for producer, shard in zip(PRODUCERS, (0, 1), strict=True):
        redis.hset(Keys(shard).producer(producer), "closed", 1)
    assert retire(redis) == 2
    assert account(redis)[:3] == (7, 7, 0)


def test_the_guard_calls_writers_here_and_there_and_takes_one_more_at_a_turn(redis: Redis, on: Configure) -> None:
    one = on("one", shards=3)
    ingest.guard.run()
    assert queued(redis, one) == [0]  # the others are left to other hosts
    ingest.ingest.run(0)
    queued(redis, one)
    two = on("two", shards=3)
    ingest.guard.run()
    assert queued(redis, two) == [1]
    assert queued(redis, one) == [0]  # whose writer rests, and is called where it belongs
    ingest.ingest.run(1)
    assert queued(redis, two) == [1]  # its successor
    ingest.ingest.run(0)  # no call for us
    assert queued(redis, two) == []
    assert (redis.hget(Keys(0).shard, "host"), redis.hget(Keys(1).shard, "host")) == (b"one", b"two")


def test_a_host_that_falls_silent_loses_its_shard_and_cuts_what_it_had_not_committed(
    redis: Redis, on: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = on("one")
    send(redis, PRODUCERS[0], 0, 1, 5)
    ingest.ingest.run(0)
    send(redis, PRODUCERS[0], 0, 6, 5)
    with monkeypatch.context() as dying:  # after its files and its journal, before its commit
        dying.setattr(Shard, "commit", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        if (pid := os.fork()) == 0:
            ingest.ingest.run(0)
        os.waitpid(pid, 0)
    assert numbers(one.log_dir / "shop" / "app.log") == list(range(1, 11))
    redis.delete(Keys().lease)

    two = on("two", move_after=30.0)
    ingest.ingest.run(0)
    assert not (two.log_dir / "shop").exists()  # it may still come back
    redis.hincrby(Keys().shard, "led", -60)
    ingest.guard.run()
    assert queued(redis, two) == [0]
    ingest.ingest.run(0)
    send(redis, PRODUCERS[0], 0, 11, 5)
    ingest.ingest.run(0)
    assert numbers(two.log_dir / "shop" / "app.log") == list(range(6, 16))

    on("one")
    ingest.guard.run()
    assert numbers(one.log_dir / "shop" / "app.log") == list(range(1, 6))
    assert redis.hget(Keys().shard, f"left:{place(one.log_dir)}") is None
    redis.hincrby(Keys().shard, "led", -60)
    send(redis, PRODUCERS[0], 0, 16, 5)
    ingest.ingest.run(0)  # the other one has fallen silent in its turn
    assert numbers(one.log_dir / "shop" / "app.log") == [*range(1, 6), *range(16, 21)]
    assert account(redis)[:3] == (20, 20, 0)


def test_what_was_committed_before_a_move_is_never_cut(redis: Redis, on: Configure) -> None:
    one = on("one")
    send(redis, PRODUCERS[0], 0, 1, 5)
    ingest.ingest.run(0)
    redis.hincrby(Keys().shard, "led", -60)
    on("two")
    ingest.ingest.run(0)
    on("one")
    ingest.guard.run()
    assert numbers(one.log_dir / "shop" / "app.log") == [1, 2, 3, 4, 5]
    # Redis comes back older than the move: what the journal says of later versions is not to be cut by it.
    redis.hset(Keys().shard, mapping={"version": 0, f"left:{place(one.log_dir)}": 0})
    ingest.guard.run()
    assert numbers(one.log_dir / "shop" / "app.log") == [1, 2, 3, 4, 5]


def test_the_lock_of_a_place_proves_its_last_writer_dead(redis: Redis, on: Configure) -> None:
    configured = on("one")
    dead = Shard(redis, 0, place(configured.log_dir))
    assert dead.lease(60)
    send(redis, PRODUCERS[0], 0, 1, 3)
    ingest.guard.run()
    assert queued(redis, configured) == [0]  # the guard sees that nobody holds the lock
    ingest.ingest.run(0)
    assert numbers(configured.log_dir / "shop" / "app.log") == [1, 2, 3]


def test_a_copy_of_a_folder_is_another_place(tmp_path: Path) -> None:
    original = place(tmp_path / "one")
    assert original == place(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert place(tmp_path / "two") != original


DIES = """
import logging, os, signal, sys
from logging_core import RedisStreamHandler
handler = RedisStreamHandler(sys.argv[1], "shop", spool_dir=sys.argv[2], spill_dir=None)
logger = logging.getLogger()
logger.addHandler(handler)
for number in range(10):
    logger.error("bad", extra={"n": number})
assert handler.flush(20)
print(handler._buffer.producer, handler._buffer.shard, flush=True)
logger.error("bad", extra={"n": 10})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_dead_process_left_goes_to_its_own_shard(
    redis: Redis, redis_server: str, on: Configure, tmp_path: Path
) -> None:
    configured = on("one", shards=3)
    open_shards(redis, 3)
    died = subprocess.run(
        [sys.executable, "-c", DIES, redis_server, str(tmp_path / "spool")], capture_output=True, text=True, timeout=60
    )
    producer, shard = died.stdout.split()
    open_shards(redis, 1)  # a new choice would be another
    redis.delete(*redis.keys(shard_key(int(shard), "*")))  # and Redis knows nothing of it any more
    assert ship_orphans(redis, spool_root(redis_server, tmp_path / "spool")) == 11
    assert redis.hget(Keys(int(shard)).producer(producer), "appended") == b"11"
    ingest.ingest.run(int(shard))
    suffix = f"-{shard}" if shard != "0" else ""
    assert numbers(configured.log_dir / "shop" / f"app{suffix}.log") == list(range(11))


def test_a_commit_that_redis_forgot_is_not_cut_though_the_shard_moved(redis: Redis, on: Configure) -> None:
    one = on("one")
    send(redis, PRODUCERS[0], 0, 1, 10)
    ingest.ingest.run(0)
    replica = {key: redis.dump(key) for key in redis.keys("tocsin:{0}:*")}
    send(redis, PRODUCERS[0], 0, 11, 10)
    ingest.ingest.run(0)  # committed; its producer has released it, and only these files have it
    redis.flushall()
    for key, dumped in replica.items():
        redis.restore(key, 0, dumped)
    redis.hincrby(Keys().shard, "led", -60)
    on("two")
    ingest.ingest.run(0)
    on("one")
    ingest.guard.run()
    assert numbers(one.log_dir / "shop" / "app.log") == list(range(1, 21))
    assert redis.hget(Keys().shard, f"left:{place(one.log_dir)}") is None


def test_what_was_dropped_is_told_over_a_move(redis: Redis, on: Configure) -> None:
    one = on("one")
    send(redis, PRODUCERS[0], 0, 1, 10)
    send(redis, PRODUCERS[0], 0, 41, 10, gaps="11-40:drop_oldest")
    ingest.ingest.run(0)
    redis.hincrby(Keys().shard, "led", -60)
    two = on("two")
    send(redis, PRODUCERS[0], 0, 61, 10, gaps="51-60:drop_oldest")
    ingest.ingest.run(0)
    found = account(redis)
    assert (found.written, found.dropped, found.lost) == (30, {"drop_oldest": 40}, 0)
    assert sum(len(numbers(each.log_dir / "shop" / "app.log")) for each in (one, two)) == 30


def test_a_shard_that_is_only_emptied_keeps_no_process(redis: Redis, on: Configure) -> None:
    on(shards=2)
    ingest.guard.run()
    send(redis, PRODUCERS[1], 1, 1, 3)
    ingest.ingest.run(1)
    configured = on(shards=1)
    queued(redis, configured)
    send(redis, PRODUCERS[1], 1, 4, 3)
    ingest.guard.run()
    assert 1 in queued(redis, configured)
    ingest.ingest.run(1)
    assert numbers(configured.log_dir / "shop" / "app-1.log") == [1, 2, 3, 4, 5, 6]
    assert queued(redis, configured) == []  # no successor
    ingest.guard.run()
    assert queued(redis, configured) == [0]


def test_a_redis_that_came_back_empty_is_told_of_the_shards_that_are_only_emptied(redis: Redis, on: Configure) -> None:
    on(shards=2)
    ingest.guard.run()
    send(redis, PRODUCERS[1], 1, 1, 3)
    ingest.ingest.run(1)
    on(shards=1)
    redis.flushall()
    ingest.guard.run()
    send(redis, PRODUCERS[1], 1, 4, 3)  # its process goes on
    assert account(redis).waiting == 6
    ingest.ingest.run(1)
    assert account(redis)[:3] == (6, 6, 0)
