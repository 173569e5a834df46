"""What every buffer promises, held against both."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from logging_core.buffers.buffer import Buffer, MemoryBuffer
from logging_core.buffers.gap import coded, explain
from logging_core.buffers.overflow import Overflow, Policy, floor
from logging_core.buffers.segment import SIZE
from logging_core.buffers.spool import SpoolBuffer
from tests.waiting import wait_until

LINE = b"x" * 1023 + b"\n"


class Make(Protocol):
    def __call__(self, overflow: Overflow = "drop_newest", *, block_timeout: float = 1.0) -> Buffer: ...


@pytest.fixture(params=["memory", "spool"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """A buffer with room for about 4,000 lines of 1 KiB."""
    made: list[Buffer] = []

    def _make(overflow: Overflow = "drop_newest", *, block_timeout: float = 1.0) -> Buffer:
        policy = Policy(overflow, block_timeout)
        if request.param == "memory":
            made.append(MemoryBuffer("shop", 4000, policy))
        else:
            made.append(SpoolBuffer(tmp_path / "spool", "shop", 4 * SIZE, policy))
        return made[-1]

    yield _make
    for buffer in made:
        buffer.close(0)


def numbered(number: int) -> bytes:
    return (b"%d " % number).ljust(1023, b"x") + b"\n"


def taken(buffer: Buffer) -> list[int]:
    """The numbers of all lines that can be taken."""
    found = []
    while batch := buffer.take(100_000):
        lines = [int(line.split()[0]) for line in batch.body.splitlines()]
        assert lines == list(range(batch.first, batch.first + batch.count))
        found += lines
    return found


def test_records_are_numbered_in_the_order_in_which_they_were_accepted(make: Make) -> None:
    buffer = make()
    assert buffer.accepted == 0
    assert buffer.take(1000) is None
    assert [buffer.put(b"%d\n" % number) for number in range(1, 6)] == [True] * 5
    batch = buffer.take(4)
    assert batch is not None
    assert (batch.first, batch.count, batch.body) == (1, 2, b"1\n2\n")
    rest = buffer.take(1000)
    assert rest is not None
    assert (rest.first, rest.count, rest.body) == (3, 3, b"3\n4\n5\n")
    assert buffer.take(1000) is None
    assert buffer.accepted == 5


def test_a_batch_holds_at_least_one_record_however_long(make: Make) -> None:
    buffer = make()
    buffer.put(LINE)
    buffer.put(LINE)
    batch = buffer.take(10)
    assert batch is not None
    assert batch.body == LINE


def test_seek_goes_back_to_what_is_still_held(make: Make) -> None:
    buffer = make()
    for number in range(1, 6):
        buffer.put(b"%d\n" % number)
    buffer.take(1000)
    assert buffer.seek(3) == 3
    batch = buffer.take(1000)
    assert batch is not None
    assert (batch.first, batch.body) == (3, b"3\n4\n5\n")
    assert buffer.seek(99) == 6
    assert buffer.take(1000) is None


def test_a_full_buffer_refuses_the_newest_and_counts_it(make: Make) -> None:
    buffer = make()
    kept = sum(buffer.put(LINE) for _ in range(5000))
    assert 3990 <= kept <= 4096
    assert buffer.accepted == kept
    assert buffer.refused == {"buffer_full": 5000 - kept}


def test_what_is_committed_makes_room(make: Make) -> None:
    buffer = make()
    while buffer.put(LINE):
        pass
    full = buffer.accepted
    while buffer.take(SIZE):
        pass
    buffer.release(full, full)
    assert buffer.put(LINE)
    batch = buffer.take(SIZE)
    assert batch is not None
    assert (batch.first, batch.count) == (full + 1, 1)


def test_what_is_in_the_stream_goes_before_a_new_record_is_refused(make: Make) -> None:
    buffer = make()
    while buffer.put(LINE):
        pass
    full = buffer.accepted
    while buffer.take(SIZE):
        pass
    buffer.release(full, 0)
    assert buffer.put(LINE)
    assert buffer.seek(1) > 1  # the first ones are no longer held


def test_drop_oldest_accepts_all_and_declares_what_it_dropped(make: Make) -> None:
    buffer = make("drop_oldest")
    assert all(buffer.put(numbered(number)) for number in range(1, 10_001))
    assert buffer.accepted == 10_000
    assert buffer.refused == {}
    kept = taken(buffer)
    assert kept == list(range(kept[0], 10_001))
    assert 3000 <= len(kept) <= 4096
    assert buffer.dropped == {"drop_oldest": 10_000 - len(kept)}
    assert explain(coded(buffer.gaps(0, kept[0])), 0, kept[0]) == buffer.dropped


def test_drop_oldest_drops_what_is_in_the_stream_first_and_declares_none_of_it(make: Make) -> None:
    buffer = make("drop_oldest")
    for number in range(1, 3001):
        buffer.put(numbered(number))
    assert taken(buffer) == list(range(1, 3001))
    buffer.release(3000, 0)
    for number in range(3001, 5001):
        assert buffer.put(numbered(number))
    assert buffer.dropped == {}
    assert taken(buffer) == list(range(3001, 5001))


def test_drop_oldest_while_a_batch_is_on_its_way(make: Make) -> None:
    """It may have arrived or not: the writer can tell by the ordinals."""
    buffer = make("drop_oldest")
    for number in range(1, 2001):
        buffer.put(numbered(number))
    sent = buffer.take(100_000)
    assert sent is not None
    for number in range(2001, 20_001):
        assert buffer.put(numbered(number))
    buffer.seek(sent.first)
    found = taken(buffer)
    missing = 20_000 - len(found)
    gaps = coded(buffer.gaps(0, 20_001))
    holes = [(a, b) for a, b in zip([0, *found], [*found, 20_001], strict=True) if b > a + 1]
    assert sum(explain(gaps, a, b)["drop_oldest"] for a, b in holes) == missing > 0
    assert sum(explain(gaps, a, b)["missing"] for a, b in holes) == 0


@pytest.mark.parametrize(
    ("fill", "lowest"), [(0.0, 0), (0.49, 0), (0.5, 20), (0.69, 20), (0.7, 30), (0.84, 30), (0.85, 40), (1.0, 40)]
)
def test_the_fuller_the_higher_the_level_that_is_still_accepted(fill: float, lowest: int) -> None:
    assert floor(fill) == lowest


def test_drop_lowest_keeps_room_for_errors(make: Make) -> None:
    buffer = make("drop_lowest")
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    accepted = dict.fromkeys(levels, 0)
    refused_first: list[int] = []
    for _ in range(2000):
        for level in levels:
            if buffer.offer(LINE, level):
                accepted[level] += 1
            elif level not in refused_first:
                refused_first.append(level)
    assert refused_first == sorted(refused_first)
    assert accepted[logging.DEBUG] < accepted[logging.INFO] <= accepted[logging.WARNING] <= accepted[logging.ERROR]
    assert accepted[logging.ERROR] > accepted[logging.DEBUG] + 300
    assert buffer.accepted == sum(accepted.values())
    assert buffer.refused["drop_lowest"] > 0
    assert buffer.accepted + buffer.refused.total() == 8000
    assert buffer.dropped == {}  # what was accepted stays
    while buffer.take(SIZE):
        pass
    buffer.release(buffer.accepted, buffer.accepted)
    assert buffer.offer(LINE, logging.DEBUG)


def fill(buffer: Buffer) -> None:
    while buffer.put(LINE):
        pass


def test_block_waits_until_there_is_room(make: Make) -> None:
    buffer = make("block", block_timeout=30)
    fill(buffer)
    kept: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: kept.append(buffer.offer(LINE, logging.INFO)), daemon=True) for _ in range(5)
    ]
    for thread in waiting:
        thread.start()
    wait_until(lambda: len(buffer._room._waiting) == 5, what="all of them to wait")  # type: ignore[attr-defined]
    ship(buffer)
    for thread in waiting:
        thread.join(20)
    assert kept == [True] * 5
    assert "block_timeout" not in buffer.refused


def ship(buffer: Buffer) -> None:
    """Another thread takes all and has it committed."""

    def work() -> None:
        while buffer.take(SIZE):
            pass
        buffer.release(buffer.accepted, buffer.accepted)

    shipper = threading.Thread(target=work)
    shipper.start()
    shipper.join(20)
    assert not shipper.is_alive()


def test_block_refuses_when_its_time_is_over_and_counts_it(make: Make) -> None:
    buffer = make("block", block_timeout=0.05)
    fill(buffer)
    start = time.monotonic()
    assert not buffer.offer(LINE, logging.ERROR)
    assert time.monotonic() - start >= 0.05
    assert buffer.refused["block_timeout"] == 1


def test_who_takes_records_out_never_waits_for_room(make: Make) -> None:
    buffer = make("block", block_timeout=60)
    fill(buffer)
    buffer.take(100)
    assert not buffer.offer(LINE, logging.ERROR)
    assert buffer.refused["block_timeout"] == 1


def test_nobody_waits_for_a_buffer_that_is_closed(make: Make) -> None:
    buffer = make("block", block_timeout=60)
    fill(buffer)
    waiting = threading.Thread(target=buffer.offer, args=(LINE, logging.INFO), daemon=True)
    waiting.start()
    wait_until(lambda: len(buffer._room._waiting) == 1, what="it to wait")  # type: ignore[attr-defined]
    buffer.close(0)
    waiting.join(20)
    assert not waiting.is_alive()
    assert buffer.refused["closed"] == 1


def test_a_signal_handler_that_has_to_wait_holds_nobody_else(make: Make) -> None:
    """It interrupts its thread anywhere, with the lock held or not; others go on meanwhile."""
    buffer = make("block", block_timeout=0.02)
    fill(buffer)
    signal.signal(signal.SIGALRM, lambda *_: buffer.offer(LINE, logging.INFO) and None)
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        for _ in range(20):
            buffer.offer(LINE, logging.INFO)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    ship(buffer)
    assert buffer.offer(LINE, logging.INFO)
