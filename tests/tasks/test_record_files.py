"""Records of a channel have a file of it too, exactly once, and nothing that a record says names any other file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal
from logging_core.streams.shard import Shard
from logging_core.streams.stream import Keys, append, shard_key
from rules.series import TOTAL
from tasks import settings, writer
from tasks.record_files import MAX_OTHER_CHANNELS
from tests.tasks.writing import run_writer

CHANNELS = ["access", None, "audit", "access", "billing"]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[settings.Settings]:
    changed = settings.load().model_copy(update={"log_dir": tmp_path})
    monkeypatch.setattr(settings, "load", lambda: changed)
    writer._bounds.cache_clear()
    yield changed
    writer._bounds.cache_clear()


def line(number: int, channel: Any, level: str = "INFO") -> bytes:
    record = {"level": level, "message": "m", "n": number} | ({} if channel is None else {"channel": channel})
    return json.dumps(record).encode() + b"\n"


def send(redis: Redis, first: int, channels: list[Any], level: str = "INFO") -> None:
    body = b"".join(line(number, channel, level) for number, channel in enumerate(channels, first))
    assert append(redis, "p" * 32, "shop", first=first, count=len(channels), body=body).status == "ok"


def numbers(folder: Path) -> dict[str, list[int]]:
    return {
        path.name.removesuffix(".log"): [json.loads(text)["n"] for text in path.read_text().splitlines()]
        for path in folder.iterdir()
    }


def test_a_record_with_a_channel_is_in_the_files_of_both(redis: Redis, configured: settings.Settings) -> None:
    send(redis, 1, CHANNELS)
    send(redis, 6, ["audit"], level="ERROR")
    run_writer(redis, configured)
    assert numbers(configured.log_dir / "shop") == {
        "app": [1, 2, 3, 4, 5, 6],
        "access": [1, 4],
        "audit": [3, 6],
        "billing": [5],
        "errors": [6],
    }


def after(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step, done, and then the end."""

    def crashing(*args: Any, **kwargs: Any) -> Any:
        step(*args, **kwargs)
        raise KeyboardInterrupt

    return crashing


@pytest.mark.parametrize(
    ("owner", "step"), [(FileStore, "append"), (FileStore, "sync"), (Journal, "record"), (Shard, "commit")]
)
def test_a_crash_after_any_step_neither_loses_nor_repeats(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    send(redis, 1, CHANNELS)
    run_writer(redis, configured)
    send(redis, 6, [*CHANNELS, "fresh"])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, step, after(getattr(owner, step)))
        run_writer(redis, configured)
    send(redis, 12, ["access"])
    run_writer(redis, configured)
    assert numbers(configured.log_dir / "shop") == {
        "app": list(range(1, 13)),
        "access": [1, 4, 6, 9, 12],
        "audit": [3, 8],
        "billing": [5, 10],
        "fresh": [11],
    }


def test_a_redis_that_came_back_older_repeats_nothing(redis: Redis, configured: settings.Settings) -> None:
    send(redis, 1, CHANNELS)
    run_writer(redis, configured)
    redis.flushall()
    writer._bounds.cache_clear()
    send(redis, 1, [*CHANNELS, "audit", "audit"])
    run_writer(redis, configured)
    found = numbers(configured.log_dir / "shop")
    assert (found["app"], found["audit"]) == ([1, 2, 3, 4, 5, 6, 7], [3, 6, 7])


@pytest.mark.parametrize(
    "channel",
    [
        "app", "errors", "", "Access", "0day", "a" * 33, "a/b", "../../etc/cron", "a.b", "a-1", "a\n", "ä", "a\x00",
        5, True, 1.5, [], ["audit"], {}, {"audit": 1}, "null",
    ],
)  # fmt: skip
def test_what_is_no_channels_name_names_no_file(redis: Redis, configured: settings.Settings, channel: Any) -> None:
    send(redis, 1, [channel, "audit"])
    run_writer(redis, configured)
    kept = {"app": [1, 2], "audit": [2]} | ({"null": [1]} if channel == "null" else {})
    assert numbers(configured.log_dir / "shop") == kept
    assert sorted(path.name for path in configured.log_dir.iterdir()) == [".tocsin", "shop"]


def test_a_service_has_a_bounded_number_of_channels_and_always_room_for_the_well_known(
    redis: Redis, configured: settings.Settings
) -> None:
    for first in range(0, 40, 10):  # each run by a writer of its own
        send(redis, first + 1, [f"c{number}" for number in range(first, first + 10)])
        run_writer(redis, configured)
    send(redis, 41, ["c3", "audit", "system", "access", "ai_responses", "c39"])
    run_writer(redis, configured)
    found = numbers(configured.log_dir / "shop")
    assert found["app"] == list(range(1, 47))
    assert found["c3"] == [4, 41]
    assert found.keys() - {"app", "audit", "system", "access", "ai_responses"} == {
        f"c{number}" for number in range(MAX_OTHER_CHANNELS)
    }


def test_more_files_than_may_be_open_are_written_too(
    redis: Redis, configured: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging_core.storage.files.MAX_OPEN", 2)
    shard = Shard(redis)
    redis.delete(Keys().lease)
    assert shard.lease(5)
    run = writer.Writer(shard, configured)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for first in range(1, 20, 5):
        send(redis, first, CHANNELS)
        run.run_through()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    run.close()
    found = numbers(configured.log_dir / "shop")
    assert (found["app"], found["audit"]) == (list(range(1, 21)), [3, 8, 13, 18])


def test_an_access_record_is_counted_whatever_stands_beside_it(redis: Redis, configured: settings.Settings) -> None:
    said = {"channel": "access", "event": "api_access", "method": "GET", "endpoint": "order", "status_code": 200}
    others: list[dict[str, Any]] = [
        {"event": {"api_access": 1}, "method": 5},
        {"event": ["api_access"]},
        said | {"duration_ms": {}, "n": 1},
        {"event": "api_access", "endpoint": [], "status_code": "x"},
    ]
    body = b"".join(json.dumps({"message": "m", "n": n} | each).encode() + b"\n" for n, each in enumerate(others))
    append(redis, "q" * 32, "shop", first=1, count=4, body=body)
    append(redis, "r" * 32, "shop", first=1, count=2, body=b"\n" + body.split(b"\n")[2] + b"\n\n")  # miscounted
    append(redis, "s" * 32, "shop", first=1, count=2, body=b"no json\n" + body.split(b"\n")[2] + b"\n")
    run_writer(redis, configured)
    totals = {text.decode(): float(total) for text, total in redis.hgetall(shard_key(0, TOTAL)).items()}
    series = 'http_requests_total{endpoint="order",method="GET",service="shop",status="200"}'
    assert totals[series] >= 2
    assert {text.partition("{")[0] for text in totals} == {"log_records_total", "http_requests_total"}
