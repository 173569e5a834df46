"""A pipe that another program goes on writing to."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from rules.reading.follow_pipe import LivePipe
from rules.reading.source import Pipe


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, int]]:
    begin, end = os.pipe()
    with closing(Pipe("-", begin)) as pipe:
        yield pipe, end


def test_each_line_is_shown_as_it_comes_and_the_half_one_at_the_end(ends: tuple[Pipe, int]) -> None:
    pipe, end = ends
    os.write(end, b"one\ntw")
    looks = LivePipe(pipe).looks()
    assert take(next(looks)) == b"one\n"
    os.write(end, b"o\nthr")
    assert take(next(looks)) == b"two\n"
    os.close(end)
    assert take(next(looks)) == b"thr"
    assert list(looks) == []


def test_lines_that_wait_settle(ends: tuple[Pipe, int]) -> None:
    pipe, end = ends
    os.write(end, b"one\n")
    looks = LivePipe(pipe).looks()
    assert not next(looks).window.settled
    assert next(looks).window.settled
    os.close(end)


def test_it_stops_when_it_is_told_to(ends: tuple[Pipe, int]) -> None:
    pipe, end = ends
    os.write(end, b"half")
    assert [take(live) for live in LivePipe(pipe).looks(iter([False, True]).__next__)] == [b"half"]
    os.close(end)


def take(live: LivePipe) -> bytes:
    text = bytes(live.window.text)
    live.window.consume(len(text))
    return text
