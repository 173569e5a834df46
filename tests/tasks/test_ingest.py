"""The writer writes and counts each record exactly once, wherever it dies, and whatever Redis forgot."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from alerts.evaluation import WANTED
from logging_core.buffers.overflow import Policy
from logging_core.buffers.spool import SpoolBuffer, spool_root
from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal, evict, exclusive, place
from logging_core.streams.account import account
from logging_core.streams.shard import Shard
from logging_core.streams.shipper import ship_orphans
from logging_core.streams.stream import Keys, append, shard_key
from rules import delivery
from rules.error_groups import ErrorGroups
from rules.errors import ConfigError
from rules.series import TOTAL
from tasks import evaluate, ingest, maintenance, settings, stalls, writer
from tests.tasks.writing import run_writer

QUICK = settings.IngestSettings(budget=1.2)


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[settings.Settings]:
    changed = settings.load().model_copy(update={"log_dir": tmp_path})
    monkeypatch.setattr(settings, "load", lambda: changed)
    writer._bounds.cache_clear()
    yield changed
    writer._bounds.cache_clear()


def line(number: int, level: str = "INFO", **fields: Any) -> bytes:
    record = {"timestamp": "2026-01-01T00:00:00+00:00", "level": level, "logger": "shop", "message": "m", "n": number}
    return json.dumps(record | fields).encode() + b"\n"


def send(redis: Redis, first: int, count: int, *, jump: bool = False, level: str = "INFO", gaps: str = "") -> None:
    body = b"".join(line(number, level) for number in range(first, first + count))
    reply = append(
        redis,
        "p" * 32,
        "shop",
        first=first,
        count=count,
        body=body,
        jump=jump,
        gaps=gaps,
        report={"accepted": first + count - 1},
    )
    assert reply.status == "ok"


def numbers(log_dir: Path, name: str = "shop/app.log") -> list[int]:
    return [json.loads(text)["n"] for text in (log_dir / name).read_text().splitlines()]


def counted(redis: Redis) -> Counter[str]:
    totals: Any = redis.hgetall(shard_key(0, TOTAL))
    sums: Counter[str] = Counter()
    for text, total in totals.items():
        sums[text.decode().partition("{")[0]] += int(total)
    return sums


def test_records_errors_and_groups_are_where_they_should_be(redis: Redis, configured: settings.Settings) -> None:
    send(redis, 1, 5)
    send(redis, 6, 2, level="ERROR")
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(configured.log_dir, "shop/errors.log") == [6, 7]
    assert counted(redis) == {"log_records_total": 7, "log_errors_total": 2}
    (group,) = ErrorGroups(redis).top(10)
    assert group.count == 2
    with (configured.log_dir / group.place.file).open("rb") as file:
        file.seek(group.place.offset)
        assert json.loads(file.readline())["level"] == "ERROR"


def after(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step, done, and then the end."""

    def crashing(*args: Any, **kwargs: Any) -> Any:
        step(*args, **kwargs)
        raise Crash

    return crashing


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (FileStore, "append"),
        (FileStore, "sync"),
        (Journal, "record"),
        (Shard, "commit"),
        (Shard, "read"),
        (Shard, "committed"),
    ],
)
def test_a_crash_after_any_step_neither_loses_nor_repeats(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    send(redis, 1, 10)
    run_writer(redis, configured)
    send(redis, 11, 10)
    send(redis, 21, 5, level="ERROR")
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(owner, step, after(getattr(owner, step)))
        run_writer(redis, configured)
    send(redis, 26, 5)
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == list(range(1, 31))
    assert numbers(configured.log_dir, "shop/errors.log") == list(range(21, 26))
    assert counted(redis) == {"log_records_total": 30, "log_errors_total": 5}
    assert account(redis)[:3] == (30, 30, 0)


def test_a_redis_that_came_back_older_repeats_nothing_in_the_files_and_counts_again_what_it_forgot(
    redis: Redis, configured: settings.Settings
) -> None:
    send(redis, 1, 10)
    run_writer(redis, configured)
    redis.flushall()  # the oldest it can be
    writer._bounds.cache_clear()
    send(redis, 1, 4)  # sent again, cut differently
    send(redis, 5, 10)
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == list(range(1, 15))
    assert counted(redis) == {"log_records_total": 14}


def test_an_hour_later_the_bounds_are_loaded_anew(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = writer.wiring.now()
    send(redis, 1, 1)
    run_writer(redis, configured)
    first = writer._bounds(int(now // 3600))
    monkeypatch.setattr(writer.wiring, "now", lambda: now + 3600)
    send(redis, 2, 1)
    run_writer(redis, configured)
    assert writer._bounds(int(now // 3600) + 1) is not first
    assert writer._bounds.cache_info().misses == 2


def test_what_is_truly_missing_is_counted_and_what_is_in_the_files_is_not(
    redis: Redis, configured: settings.Settings
) -> None:
    send(redis, 1, 10)
    run_writer(redis, configured)
    redis.flushall()
    send(redis, 14, 3, jump=True)  # 1 to 10 are in the files, 11 to 13 are nowhere
    run_writer(redis, configured)
    found = account(redis)
    assert found.dropped == {"missing": 3}
    assert (found.accepted, found.written, found.waiting) == (16, 13, 0)


@pytest.mark.parametrize(
    "nonsense", [b"not json\n", b'{"level": 5}\n', b"\xff\xfe\n", b"[]\n", b'{"timestamp":"never"}\n', b"{}\n"]
)
def test_a_line_that_is_no_record_is_kept_and_harms_nothing_else(
    redis: Redis, configured: settings.Settings, nonsense: bytes
) -> None:
    append(redis, "q" * 32, "shop", first=1, count=3, body=line(1) + nonsense + line(2))
    run_writer(redis, configured)
    assert (configured.log_dir / "shop/app.log").read_bytes() == line(1) + nonsense + line(2)
    assert counted(redis)["log_records_total"] == 3


def test_the_task_leaves_a_successor_and_frees_lease_and_lock(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = configured.model_copy(update={"ingest": configured.ingest.model_copy(update={"budget": 0.3})})
    monkeypatch.setattr(settings, "load", lambda: quick)
    send(redis, 1, 3)
    ingest.ingest.run()
    assert numbers(configured.log_dir) == [1, 2, 3]
    assert redis.llen(f"tocsin:celery:{ingest.queue_of(place(configured.log_dir))}") == 1
    assert redis.get(Keys().lease) is None
    ingest.ingest.run()


def test_the_task_does_nothing_where_another_host_writes(redis: Redis, configured: settings.Settings) -> None:
    redis.set(Keys().lease, "other|there|other:1", px=60_000)
    send(redis, 1, 3)
    ingest.ingest.run()
    assert not (configured.log_dir / "shop").exists()
    assert redis.keys("tocsin:celery:ingest*") == []


@pytest.mark.parametrize("error", [{"message": None}, {"message": {"a": 1}}, "text", 5, {"type": 7, "stack": []}])
def test_an_error_of_any_shape_is_an_error(redis: Redis, configured: settings.Settings, error: Any) -> None:
    append(redis, "q" * 32, "shop", first=1, count=1, body=line(1, "ERROR", error=error))
    run_writer(redis, configured)
    assert numbers(configured.log_dir, "shop/errors.log") == [1]
    assert counted(redis)["log_errors_total"] == 1


def test_an_empty_line_or_a_lone_carriage_return_stops_nothing(redis: Redis, configured: settings.Settings) -> None:
    body = line(1) + b"\n" + b"a\rb\n" + line(2)
    append(redis, "q" * 32, "shop", first=1, count=4, body=body)
    run_writer(redis, configured)
    assert (configured.log_dir / "shop/app.log").read_bytes() == body


def test_a_mistake_in_a_rule_file_stops_no_record(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise ConfigError(["rules.yml:1: groups: missing"])

    monkeypatch.setattr(evaluate, "wake_for", mistaken)
    send(redis, 1, 3)
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == [1, 2, 3]
    assert account(redis).written == 3


def test_a_writer_that_cannot_begin_leaks_no_descriptor(redis: Redis, configured: settings.Settings) -> None:
    (configured.log_dir / ".tocsin").mkdir(parents=True)
    (configured.log_dir / ".tocsin" / "0.journal").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="directory"):
            run_writer(redis, configured)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_maintenance_ships_what_a_dead_process_left_and_leaves_no_folder(
    redis: Redis, redis_server: str, configured: settings.Settings
) -> None:
    shutil.rmtree(spool_root(redis_server), ignore_errors=True)  # what other tests have left
    spool = SpoolBuffer(spool_root(redis_server), "shop")
    for number in range(1, 4):
        spool.put(line(number))
    spool.close(0)
    maintenance.adopt.run()
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == [1, 2, 3]
    maintenance.adopt.run()
    assert list(spool_root(redis_server).iterdir()) == []
    assert account(redis)[:3] == (3, 3, 0)


@pytest.mark.parametrize("step", ["sync", "commit"])
def test_what_is_missing_is_counted_though_the_writer_dies_on_the_way(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    send(redis, 1, 2)
    run_writer(redis, configured)
    send(redis, 6, 2, jump=True)
    owner = FileStore if step == "sync" else Journal
    name = "sync" if step == "sync" else "record"
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(owner, name, after(getattr(owner, name)))
        run_writer(redis, configured)
    run_writer(redis, configured)
    found = account(redis)
    assert (found.accepted, found.written, found.dropped, found.lost) == (7, 4, {"missing": 3}, 0)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(FileStore, "append"), (FileStore, "sync"), (Journal, "record"), (Shard, "commit"), (Shard, "committed")],
)
def test_what_was_dropped_on_purpose_is_counted_by_its_reason_through_every_crash(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    send(redis, 1, 2)
    run_writer(redis, configured)
    send(redis, 13, 2, jump=True, gaps="1-9:drop_oldest 10-11:spill_expired")  # 12 is missing, 1 and 2 had come
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(owner, name, after(getattr(owner, name)))
        run_writer(redis, configured)
    send(redis, 18, 2, jump=True, gaps="15-17:drop_oldest")
    run_writer(redis, configured)
    found = account(redis)
    assert found.dropped == {"drop_oldest": 10, "spill_expired": 2, "missing": 1}
    assert (found.accepted, found.written, found.waiting, found.lost) == (19, 6, 0, 0)
    assert numbers(configured.log_dir) == [1, 2, 13, 14, 18, 19]


def test_a_redis_that_came_back_older_is_told_again_what_was_dropped(
    redis: Redis, configured: settings.Settings
) -> None:
    send(redis, 1, 10)
    run_writer(redis, configured)
    send(redis, 21, 10, jump=True, gaps="11-20:drop_oldest")
    run_writer(redis, configured)
    redis.flushall()
    writer._bounds.cache_clear()
    send(redis, 25, 10, jump=True, gaps="11-20:drop_oldest")  # 21 to 24 are no longer held, and in the files
    run_writer(redis, configured)
    found = account(redis)
    assert found.dropped == {"drop_oldest": 10}
    assert (found.accepted, found.written, found.lost) == (34, 24, 0)
    assert numbers(configured.log_dir) == [*range(1, 11), *range(21, 35)]


def test_what_was_dropped_last_is_told_with_no_record_behind_it(redis: Redis, configured: settings.Settings) -> None:
    send(redis, 1, 10)
    send(redis, 21, 0, jump=True, gaps="11-20:spill_expired")
    run_writer(redis, configured)
    found = account(redis)
    assert found.dropped == {"spill_expired": 10}
    assert (found.accepted, found.written, found.waiting, found.lost) == (20, 10, 0, 0)
    send(redis, 21, 1)
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == [*range(1, 11), 21]


def test_a_whole_buffers_way_over_a_gap_and_a_crash(
    redis: Redis, configured: settings.Settings, tmp_path: Path
) -> None:
    """Its process dies after it dropped and before it told anybody; who adopts it tells."""
    buffer = SpoolBuffer(tmp_path / "spool" / "redis", "shop", 3 * 1024 * 1024, Policy("drop_oldest"))
    for number in range(1, 60_001):
        assert buffer.put(line(number))
    dropped = buffer.dropped["drop_oldest"]
    buffer.close(0)
    assert ship_orphans(redis, tmp_path / "spool" / "redis") == 60_000  # moved the mark so far
    run_writer(redis, configured)
    found = account(redis)
    assert found.dropped == {"drop_oldest": dropped}
    assert dropped > 10_000
    assert (found.accepted, found.written, found.waiting, found.lost) == (60_000, 60_000 - dropped, 0, 0)
    assert numbers(configured.log_dir) == list(range(dropped + 1, 60_001))


def test_a_spoilt_record_in_the_journal_cuts_nothing_and_repeats_nothing(
    redis: Redis, configured: settings.Settings
) -> None:
    for first in range(1, 100, 10):
        send(redis, first, 10)
        run_writer(redis, configured)
    path = configured.log_dir / ".tocsin" / "0.journal"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    send(redis, 101, 10)
    run_writer(redis, configured)
    send(redis, 111, 10)
    run_writer(redis, configured)
    assert numbers(configured.log_dir) == list(range(1, 121))
    assert len(list(path.parent.glob("0.spoilt-*"))) == 1


HANGS = """
import signal, sys
from pathlib import Path
from logging_core.storage.journal import exclusive
with exclusive(Path(sys.argv[1])) as held:
    print(held, flush=True)
    signal.pause()
"""


def test_a_writer_that_stands_still_is_evicted_once_its_lease_ran_out(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"budget": 0.3, "lease": 1.1, "block": 0.1}
    quick = configured.model_copy(update={"ingest": configured.ingest.model_copy(update=changes)})
    monkeypatch.setattr(settings, "load", lambda: quick)
    send(redis, 1, 3)
    with subprocess.Popen([sys.executable, "-c", HANGS, str(configured.log_dir)], stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout
        assert stopped.stdout.readline() == b"True\n"
        stopped.send_signal(signal.SIGSTOP)
        redis.set(Keys().lease, "its lease", px=60_000)
        ingest.ingest.run()
        assert stopped.poll() is None  # as long as the lease holds, it is left alone
        redis.delete(Keys().lease)
        stalls._counted_at = float("-inf")
        ingest.ingest.run()
        assert stopped.wait(10) == -signal.SIGKILL
    assert delivery.stalls(redis) == {"hung": 1}
    assert numbers(configured.log_dir) == [1, 2, 3]


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "disk_error")])
def test_a_disk_that_refuses_is_counted_and_asks_for_an_evaluation(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(stalls, "_counted_at", float("-inf"))
    monkeypatch.setattr(FileStore, "append", refuse)
    send(redis, 1, 10)
    assert ingest._write_for(Shard(redis), configured.model_copy(update={"ingest": QUICK}))
    assert list(delivery.stalls(redis)) == [reason]
    assert 1 <= delivery.stalls(redis)[reason] <= 2  # of many tries in little more than a second
    assert redis.exists(WANTED)


def test_a_batch_whose_way_to_the_disk_took_seconds_is_counted(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "_counted_at", float("-inf"))
    monkeypatch.setattr(writer, "_SLOW", 0.0)
    send(redis, 1, 10)
    run_writer(redis, configured)
    assert delivery.stalls(redis) == {"slow": 1}
    assert numbers(configured.log_dir) == list(range(1, 11))


def test_a_pid_that_is_another_process_by_now_is_left_alone(configured: settings.Settings) -> None:
    with exclusive(configured.log_dir):
        pass
    lock = configured.log_dir / ".tocsin" / "0.lock"
    lock.write_text(f"{os.getpid()} 1")
    assert evict(configured.log_dir) is None
