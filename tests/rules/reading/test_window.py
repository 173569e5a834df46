"""What a window shows, byte by byte: all of it, once, in whole lines."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.reading.window import Window


class Narrow(Window):
    SIZE = 16


def test_it_shows_whole_lines_and_then_the_last_half_one() -> None:
    window = Narrow(io.BytesIO(b"one\ntwo\nthree and four").readinto)
    assert window.fill()
    assert bytes(window.text) == b"one\ntwo\n"
    assert (window.start, window.ended, window.settled) == (0, False, False)
    window.consume(8)
    assert window.fill()
    assert bytes(window.text) == b"three and four"
    assert (window.start, window.ended, window.settled) == (8, True, True)


def test_what_is_not_consumed_is_shown_again_with_what_follows() -> None:
    window = Narrow(io.BytesIO(b"one\ntwo\nthree\nfour\n").readinto)
    window.fill()
    window.consume(4)
    window.fill()
    assert bytes(window.text) == b"two\nthree\nfour\n"
    assert window.start == 4


def test_a_window_of_which_nothing_is_consumed_is_settled() -> None:
    window = Narrow(io.BytesIO(b"head\n a\n b\n c\n d\n e\n").readinto)
    assert window.fill()
    assert not window.settled
    assert not window.fill()
    assert window.settled
    assert bytes(window.text) == b"head\n a\n b\n c\n"


def test_of_a_line_that_is_too_long_the_beginning_and_the_line_end_are_shown() -> None:
    window = Narrow(io.BytesIO(b"x" * 100 + b"\nnext\n").readinto)
    window.fill()
    assert bytes(window.text) == b"x" * 16
    assert window.skipping
    assert window.settled
    shown = bytes(window.text)
    while window.skipping:
        window.fill()
        shown += bytes(window.text)
    assert shown == b"x" * 16 + b"\nnext\n"
    assert window.start == 100


def test_a_long_line_that_never_ends() -> None:
    window = Narrow(io.BytesIO(b"a\n" + b"x" * 100).readinto)
    shown, starts = b"", []
    while not window.ended:
        window.fill()
        starts.append(window.start)
        shown += bytes(window.text)
        window.consume(len(window.text))
    assert shown == b"a\n" + b"x" * 16
    assert starts[-1] == 102


@pytest.mark.parametrize("text", [b"", b"a", b"a\r\nb\rc\n", b"\0\0\n\xff\xfe\n"])
def test_bytes_are_bytes(text: bytes) -> None:
    assert everything(text, 16, lambda length: length) == text


def test_the_mark_of_utf_8_is_left_out() -> None:
    window = Narrow(io.BytesIO(b"\xef\xbb\xbfone\n" + b"two\n" * 5).readinto)
    window.fill()
    assert bytes(window.text) == b"one\ntwo\ntwo\ntwo\n"
    assert window.start == 3


def test_what_came_before_a_failure_is_shown_first() -> None:
    text = io.BytesIO(b"one\ntwo")

    def read(memory: memoryview) -> int:
        if count := text.readinto(memory):
            return count
        raise OSError("gone")

    window = Narrow(read)
    window.fill()
    assert bytes(window.text) == b"one\ntwo"
    assert window.settled
    with pytest.raises(OSError, match="gone"):
        window.fill()


lines = st.lists(st.binary(max_size=15).map(lambda line: line.replace(b"\n", b"")), max_size=30).map(b"\n".join)


@given(lines.filter(lambda text: not text.startswith(b"\xef\xbb\xbf")), st.integers(16, 64), st.data())
def test_consumed_in_any_way_it_is_the_whole_text_and_each_show_begins_a_line(
    text: bytes, size: int, data: st.DataObject
) -> None:
    assert everything(text, size, lambda length: data.draw(st.integers(0, length))) == text


def everything(text: bytes, size: int, choose: Callable[[int], int]) -> bytes:
    """All that is consumed of a text; each time some of the lines shown, `choose` says how many, or all if settled."""
    source = io.BytesIO(text)
    kind = type("Sized", (Window,), {"SIZE": size})
    window = kind(lambda memory: source.readinto(memory[: choose(min(3, len(memory)) - 1) + 1]))
    consumed = b""
    while not window.ended:
        window.fill()
        shown = bytes(window.text)
        assert window.start == len(consumed)
        assert not consumed or consumed.endswith(b"\n")
        assert text.startswith(consumed + shown)
        ends = [0, *(at + 1 for at, byte in enumerate(shown) if byte == 10)]
        take = len(shown) if window.settled else ends[choose(len(ends) - 1)]
        consumed += shown[:take]
        window.consume(take)
    return consumed
