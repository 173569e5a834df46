"""What every buffer promises, held against both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logging_core.buffer import Buffer, MemoryBuffer
from logging_core.segment import SIZE
from logging_core.spool import SpoolBuffer

LINE = b"x" * 1023 + b"\n"


@pytest.fixture(params=["memory", "spool"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Buffer]]:
    """A buffer with room for about 2,000 lines of 1 KiB."""
    made: list[Buffer] = []

    def _make() -> Buffer:
        made.append(
            MemoryBuffer("shop", 2000)
            if request.param == "memory"
            else SpoolBuffer(tmp_path / "spool", "shop", 2 * SIZE)
        )
        return made[-1]

    yield _make
    for buffer in made:
        buffer.close(0)


def test_records_are_numbered_in_the_order_in_which_they_were_accepted(make: Callable[[], Buffer]) -> None:
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


def test_a_batch_holds_at_least_one_record_however_long(make: Callable[[], Buffer]) -> None:
    buffer = make()
    buffer.put(LINE)
    buffer.put(LINE)
    batch = buffer.take(10)
    assert batch is not None
    assert batch.body == LINE


def test_seek_goes_back_to_what_is_still_held(make: Callable[[], Buffer]) -> None:
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


def test_a_full_buffer_refuses_the_newest_and_counts_it(make: Callable[[], Buffer]) -> None:
    buffer = make()
    kept = sum(buffer.put(LINE) for _ in range(3000))
    assert 1990 <= kept <= 2048
    assert buffer.accepted == kept
    assert buffer.refused == {"buffer_full": 3000 - kept}


def test_what_is_committed_makes_room(make: Callable[[], Buffer]) -> None:
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


def test_what_is_in_the_stream_goes_before_a_new_record_is_refused(make: Callable[[], Buffer]) -> None:
    buffer = make()
    while buffer.put(LINE):
        pass
    full = buffer.accepted
    while buffer.take(SIZE):
        pass
    buffer.release(full, 0)
    assert buffer.put(LINE)
    assert buffer.seek(1) > 1  # the first ones are no longer held
