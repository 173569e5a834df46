"""A share of the records is kept, whole traces together; repetitions are summed up; what is dropped is counted."""

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logging_core import LoggingContext, context
from logging_core.background import BackgroundHandler, Line
from logging_core.fanout import Fanout
from logging_core.line_handler import LineHandler
from logging_core.record import Encoder
from logging_core.sampling import Duplicates, Repeated, Sampler, Sampling, share_of
from tests.waiting import wait_until

TRACES = [f"{number:032x}" for number in range(0, 10**36, 10**33)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sampler(clock: Clock | None = None, random: float = 0.5, **settings: Any) -> Sampler:
    return Sampler(Sampling(**settings), now=clock or Clock(), random=lambda: random)


class Kept(LineHandler):
    """Keeps the lines."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__(Encoder("shop"), sampler=sampler)
        self.lines: list[dict[str, Any]] = []

    def put(self, line: bytes, level: int) -> None:
        self.lines.append(json.loads(line))


def record(message: str = "x", logger: str = "a", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(logger, logging.INFO, "", 0, message, (), None)
    made.__dict__.update(extra)
    return made


def test_without_settings_all_is_kept() -> None:
    everything = sampler()
    assert all(everything.keep(level, "a.b", "x", {}) for level in range(0, 60, 5))
    assert everything.due(at_once=True) == []
    assert everything.sampled == {}


@pytest.mark.parametrize(
    ("level", "logger", "kept"),
    [
        ("DEBUG", "shop", False),
        ("INFO", "shop", True),
        ("INFO", "urllib3", False),
        ("INFO", "urllib3.connectionpool", False),
        ("INFO", "urllib33", True),
        ("DEBUG", "urllib3.retry.x", True),  # the longest name wins, and wins over the level
        ("ERROR", "urllib3", True),
        ("CRITICAL", "shop", False),  # named
    ],
)
def test_shares_by_level_and_by_the_longest_name(level: str, logger: str, kept: bool) -> None:
    some = sampler(levels={"DEBUG": 0.1, "CRITICAL": 0.0}, loggers={"urllib3": 0.01, "urllib3.retry": 1})
    for _ in range(2):
        assert some.keep(logging.getLevelNamesMapping()[level], logger, "x", {}) is kept


def test_what_is_dropped_is_counted_by_its_rule() -> None:
    none = sampler(levels={"DEBUG": 0}, loggers={"noisy": 0}, duplicates=Duplicates(1, 10))
    for _ in range(3):
        none.keep(10, "shop", "x", {})
        none.keep(20, "noisy.part", "x", {})
        none.keep(20, "shop", "x", {})
    assert none.sampled == {"level:DEBUG": 3, "logger:noisy": 3, "duplicates": 2}


def test_a_share_is_a_share() -> None:
    tenth = Sampler(Sampling(levels={"INFO": 0.1}))
    assert 800 < sum(tenth.keep(20, "a", "x", {}) for _ in range(10_000)) < 1200
    assert 60 < sum(tenth.keep(20, "a", "x", {"trace_id": trace}) for trace in TRACES) < 140


def test_the_records_of_a_trace_are_kept_or_dropped_together_everywhere() -> None:
    one, other = (Sampler(Sampling(levels={"DEBUG": 0.3, "INFO": 0.3}), random=lambda: 0.0) for _ in range(2))
    wider = Sampler(Sampling(levels={"INFO": 0.6}))
    for trace in TRACES:
        fields = {"trace_id": trace}
        kept = one.keep(10, "a", "x", fields)
        assert one.keep(20, "b", "y", fields) is other.keep(10, "c", "z", fields) is kept
        assert wider.keep(20, "a", "x", fields) >= kept  # a larger share has the smaller one in it


def test_the_share_of_an_id_never_changes() -> None:
    assert share_of("4bf92f3577b34da6a3ce929d0e0e4736") == pytest.approx(0.36573, abs=1e-5)
    assert share_of(UUID(int=7)) == share_of(str(UUID(int=7)))
    assert share_of(7) == share_of("7")
    share_of("\ud800")


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("value", [None, Hostile(), [1], 1.5])
def test_what_is_no_id_is_sampled_by_chance(value: object) -> None:
    assert sampler(levels={"INFO": 0.6}, random=0.59).keep(20, "a", "x", {"trace_id": value})
    assert not sampler(levels={"INFO": 0.6}, random=0.6).keep(20, "a", "x", {"trace_id": value})


def test_another_key_or_none() -> None:
    users = sampler(levels={"INFO": 0.5}, key="user_id", random=0.9)
    assert len({users.keep(20, "a", "x", {"user_id": number}) for number in range(50)}) == 2
    assert not any(
        sampler(levels={"INFO": 0.5}, key=None, random=0.9).keep(20, "a", "x", {"trace_id": t}) for t in TRACES
    )


def test_repetitions_are_summed_up_when_their_time_is_over() -> None:
    clock = Clock()
    few = sampler(clock, duplicates=Duplicates(limit=2, per=10))
    assert [few.keep(40, "shop", "failed: %s", {}) for _ in range(5)] == [True, True, False, False, False]
    assert few.keep(40, "shop", "other", {})
    assert few.keep(30, "shop", "failed: %s", {})
    assert few.keep(40, "shop.sub", "failed: %s", {})
    assert few.due() == []
    clock.now = 10
    assert few.due() == [Repeated(40, "shop", "failed: %s (repeated 3 times)", 3)]
    assert few.due() == []
    assert [few.keep(40, "shop", "failed: %s", {}) for _ in range(3)] == [True, True, False]
    assert few.due(at_once=True) == [Repeated(40, "shop", "failed: %s (repeated 1 times)", 1)]
    assert few.due(at_once=True) == []
    assert few.sampled == {"duplicates": 4}


def test_a_new_window_does_not_swallow_the_last_ones_sum() -> None:
    clock = Clock()
    few = sampler(clock, duplicates=Duplicates(1, 10))
    for second in (0, 1, 2, 11, 12):
        clock.now = second
        few.keep(20, "a", "x", {})
    assert few.due() == [Repeated(20, "a", "x (repeated 2 times)", 2)]
    clock.now = 21
    assert few.due() == [Repeated(20, "a", "x (repeated 1 times)", 1)]


def test_memory_is_bounded_and_no_count_is_lost() -> None:
    few = sampler(duplicates=Duplicates(1, 10))
    for number in range(5_000):
        for _ in range(2):
            few.keep(20, f"logger_{number}", "x" * 10_000 + str(number), {})
    assert len(few._windows) <= 1000
    assert len(few._repeated) <= 1000
    assert len(few._rates) <= 4096
    sums = few.due(at_once=True)
    assert sum(each.repeated for each in sums) + few.unreported == few.sampled["duplicates"] == 5_000
    assert all(len(each.message) < 600 for each in sums)


@given(st.lists(st.tuples(st.floats(0, 8), st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=60))
def test_each_record_is_kept_or_summed_up_once(events: list[tuple[float, str, bool]]) -> None:
    clock = Clock()
    few = sampler(clock, duplicates=Duplicates(2, 5))
    kept, summed = 0, 0
    for pause, message, ask in events:
        clock.now += pause
        kept += few.keep(20, "a", message, {})
        if ask:
            summed += sum(each.repeated for each in few.due())
    summed += sum(each.repeated for each in few.due(at_once=True))
    assert kept + summed == len(events)


def test_a_message_that_is_no_text_is_never_a_repetition() -> None:
    few = sampler(duplicates=Duplicates(1, 10))
    assert all(few.keep(20, "a", message, {}) for message in (Hostile(), [1], None) for _ in range(3))


def test_threads_lose_no_count() -> None:
    few = Sampler(Sampling(levels={"DEBUG": 0.5}, duplicates=Duplicates(3, 0.001)))
    kept: list[int] = []
    summed: list[int] = []

    def log() -> None:
        interval = 0
        for number in range(5_000):
            interval += few.keep(10 + 10 * (number % 2), "a", f"x{number % 7}", {})
            if number % 10 == 0:
                summed.append(sum(each.repeated for each in few.due()))
        kept.append(interval)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=log) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    summed.append(sum(each.repeated for each in few.due(at_once=True)))
    assert sum(kept) + few.sampled.total() == 20_000
    assert sum(summed) == few.sampled["duplicates"]


def test_a_child_counts_anew_even_if_the_lock_was_held() -> None:
    few = sampler(duplicates=Duplicates(1, 10))
    for _ in range(3):
        few.keep(20, "a", "x", {})
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with few._lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside a thread is what this is about
        child = os.fork()
    if child == 0:
        clean = few.sampled == {} and few.keep(20, "a", "x", {}) and few.due(at_once=True) == []
        os._exit(0 if clean else 1)
    done.set()
    holder.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert few.due(at_once=True) == [Repeated(20, "a", "x (repeated 2 times)", 2)]


def test_settings_from_a_file() -> None:
    assert Sampling.from_mapping({}) == Sampling()
    assert Sampling.from_mapping(
        {"levels": {"DEBUG": 0.1}, "loggers": {"urllib3": 0}, "key": None, "duplicates": {"limit": 5, "per": 60}}
    ) == Sampling({"DEBUG": 0.1}, {"urllib3": 0}, None, Duplicates(5, 60))
    assert Sampling.from_mapping({"duplicates": None}) == Sampling()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": {"DEBUG": 1.5}}, r"sampling\.levels\.DEBUG: a number from 0 to 1, not 1\.5"),
        ({"levels": {"DEBUG": True}}, r"sampling\.levels\.DEBUG: a number"),
        ({"levels": {"INFO": float("nan")}}, r"sampling\.levels\.INFO: a number"),
        ({"levels": {"LOUD": 0.5}}, r"sampling\.levels\.LOUD: no such level"),
        ({"levels": {10: 0.5}}, r"sampling\.levels\.10: no such level"),
        ({"levels": 0.5}, r"sampling\.levels: names with their shares, not 0\.5"),
        ({"loggers": {"a.b": -1}}, r"sampling\.loggers\.a\.b: a number from 0 to 1, not -1"),
        ({"loggers": {"a": "0.1"}}, r"sampling\.loggers\.a: a number"),
        ({"loggers": {"": 0.1}}, r"sampling\.loggers: '' is no logger's name"),
        ({"key": ""}, r"sampling\.key: the name of a field, not ''"),
        ({"rate": 0.5}, r"sampling\.rate: unknown key"),
        ({"duplicates": {"limit": 0, "per": 1}}, r"sampling\.duplicates\.limit: a whole number"),
        ({"duplicates": {"limit": 1, "per": 0}}, r"sampling\.duplicates\.per: seconds"),
        ({"duplicates": {"limit": 1}}, r"sampling\.duplicates\.per: missing"),
        ({"duplicates": {"limit": 1, "per": 1, "burst": 2}}, r"sampling\.duplicates\.burst: unknown key"),
        ({"duplicates": 5}, r"sampling\.duplicates: keys \(limit, per\), not 5"),
        ([], r"sampling: keys \(duplicates, key, levels, loggers\), not \[\]"),
    ],
)
def test_a_mistake_in_the_settings_is_named(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling.from_mapping(settings)


@pytest.mark.parametrize("key", ["trace_id", "span_id"])
def test_a_handler_samples_by_the_current_span_as_its_record_says(key: str) -> None:
    handler = Kept(sampler(levels={"INFO": 0.5}, key=key))
    kept, dropped = (next(each for each in TRACES if (share_of(each) < 0.5) is small) for small in (True, False))
    span: dict[str, str] | None = {key: kept}
    context.use_spans(lambda: span)
    try:
        with LoggingContext(**{key: dropped}):
            handler.emit(record())
            span = {key: dropped}
            handler.emit(record())
            handler.emit(record(**{key: kept}))
            span = None
            handler.emit(record())
        with LoggingContext(**{key: kept}):
            handler.emit(record())
    finally:
        context.use_spans(None)
    assert [line[key] for line in handler.lines] == [kept] * 3
    assert handler.sampler is not None
    assert handler.sampler.sampled == {"level:INFO": 2}


class KeptSink:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, lines: Sequence[Line]) -> None:
        self.lines += [json.loads(line.body) for line in lines]

    def close(self) -> None:
        pass


def test_repetitions_are_told_though_nothing_more_is_logged() -> None:
    sinks = KeptSink(), KeptSink()
    outputs = [BackgroundHandler(sink, Encoder("")) for sink in sinks]
    repetitive = Sampler(Sampling(duplicates=Duplicates(1, 0.05)))
    fanout = Fanout(outputs, Encoder("shop"), repetitive)
    with LoggingContext(trace_id="of one of them"):
        for _ in range(5):
            fanout.emit(record("again", logger="shop.audit"))
    for sink in sinks:
        wait_until(lambda: len(sink.lines) == 2, what="the sum of the repetitions")  # noqa: B023
        first, last = sink.lines
        assert first["trace_id"] == "of one of them"
        assert (last["message"], last["repeated"], last["channel"]) == ("again (repeated 4 times)", 4, "audit")
        assert "trace_id" not in last
    fanout.emit(record("again", logger="shop.audit"))
    fanout.emit(record("again", logger="shop.audit"))
    wait_until(lambda: len(sinks[0].lines) == 4, what="the sum of the next ones")
    fanout.close()
    alone = BackgroundHandler(KeptSink(), Encoder("shop"))
    alone.sampler = repetitive
    for _ in range(3):
        alone.emit(record("alone"))
    wait_until(lambda: alone.stats()["written"] == 2, what="the sum of the repetitions")
    alone.close()


def test_a_sum_that_cannot_be_told_costs_no_record() -> None:
    class Refusing(Kept):
        def put(self, line: bytes, level: int) -> None:
            if b"repeated" in line:
                raise RuntimeError
            super().put(line, level)

    clock = Clock()
    handler = Refusing(sampler(clock, duplicates=Duplicates(1, 1.0)))
    handler.emit(record())
    handler.emit(record())
    clock.now = 2.0
    handler.emit(record("y"))
    assert [line["message"] for line in handler.lines] == ["x", "y"]
    assert handler.errors == {"error": 1}


def test_how_long_until_something_is_due() -> None:
    clock = Clock()
    repetitive = sampler(clock, duplicates=Duplicates(1, 10))
    assert repetitive.seconds_until_due() is None
    repetitive.keep(20, "a", "x", {})
    clock.now = 4.0
    assert repetitive.seconds_until_due() == 6.0
    clock.now = 11.0
    assert repetitive.seconds_until_due() == 0.0
    repetitive.due()
    assert repetitive.seconds_until_due() is None
