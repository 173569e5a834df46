"""A traceback is known to its end, as CPython prints it, and only its exceptions speak."""

import subprocess
import sys

import pytest

from rules.tracebacks import span

CAUSE = """
def connect(): raise OSError("no route")
def order():
    try:
        connect()
    except OSError as error:
        raise KeyError("order 17") from error
"""
PROGRAMS = {
    "one": ("{}['order 17']", ["KeyError: 'order 17'"]),
    "lines": ("raise ValueError('first\\nsecond')", ["ValueError: first\nsecond"]),
    "note": ("e = ValueError('bad'); e.add_note('of order 17'); raise e", ["ValueError: bad\nof order 17"]),
    "carets": ("(lambda a, b: a / b)(1, 0) + len('x')", ["ZeroDivisionError: division by zero"]),
    "syntax": ("compile('a b', 'f', 'exec')", ["SyntaxError: invalid syntax"]),
    "recursion": ("f = lambda: f()\nf()", ["RecursionError: maximum recursion depth exceeded"]),
    "cause": (f"{CAUSE}\norder()", ["OSError: no route", "KeyError: 'order 17'"]),
    "context": (
        "try: 1 / 0\nexcept ZeroDivisionError: int('x')",
        ["ZeroDivisionError: division by zero", "ValueError: invalid literal for int() with base 10: 'x'"],
    ),
    "group": (
        "raise ExceptionGroup('two', [ValueError('a'), ExceptionGroup('in', [OSError('b')])])",
        [
            "  | ExceptionGroup: two (2 sub-exceptions)",
            "    | ValueError: a",
            "    | ExceptionGroup: in (1 sub-exception)",
            "      | OSError: b",
        ],
    ),
    "group of raised": (
        f"{CAUSE}\ntry: order()\nexcept KeyError as error: raise ExceptionGroup('all', [error])",
        None,
    ),
}


def begins(text: bytes, start: int, end: int) -> bool:
    return text.startswith(b"2026-", start, end)


def traceback(program: str) -> bytes:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("after", [b"", b"2026-02-19 next\n", b"\nsomething\n"])
def test_what_python_prints_is_one_traceback(name: str, after: bytes) -> None:
    program, says = PROGRAMS[name]
    text = traceback(program)
    found = span(text + after, 0, len(text + after), begins)
    assert text[: found.end] == text
    assert found.is_whole
    if says is not None:
        assert [text[start:end].decode().rstrip("\n") for start, end in found.says] == says


def test_the_last_exception_is_the_one_that_was_not_caught() -> None:
    text = traceback(f"{CAUSE}\norder()")
    start, end = span(text, 0, len(text), begins).last
    assert text[start:end] == b"KeyError: 'order 17'"


def test_of_a_group_it_is_the_group() -> None:
    text = traceback(PROGRAMS["group"][0])
    start, end = span(text, 0, len(text), begins).last
    assert text[start:end].strip() == b"| ExceptionGroup: two (2 sub-exceptions)"


def test_one_that_breaks_off_is_not_whole() -> None:
    text = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
    found = span(text, 0, len(text), begins)
    assert (found.end, found.says, found.is_whole) == (len(text), [], False)


def test_two_that_are_not_chained_are_two() -> None:
    text = traceback("1/0")
    assert span(text * 2, 0, 2 * len(text), begins).end == len(text)


def test_a_message_does_not_go_on_for_ever() -> None:
    text = traceback("raise ValueError('x')") + b"chatter\n" * 1000
    assert span(text, 0, len(text), begins).end < 1000


def test_line_breaks_of_windows() -> None:
    text = traceback(f"{CAUSE}\norder()").replace(b"\n", b"\r\n")
    found = span(text, 0, len(text), begins)
    assert (found.end, len(found.says)) == (len(text), 2)


def test_one_that_is_indented_is_known_to_its_end() -> None:
    lines = traceback(f"{CAUSE}\norder()").splitlines()
    text = b"".join(b"    %b\n" % line if line else b"\n" for line in lines)
    found = span(text + b"next\n", 0, len(text) + 5, begins)
    assert (found.end, len(found.says)) == (len(text), 2)
    assert text[slice(*found.last)].strip() == b"KeyError: 'order 17'"


def test_a_chain_without_its_empty_lines_is_one() -> None:
    text = traceback(f"{CAUSE}\norder()").replace(b"\n\n", b"\n")
    found = span(text, 0, len(text), lambda *_: True)
    assert (found.end, len(found.says)) == (len(text), 2)


def test_the_next_record_is_no_part_of_one_that_breaks_off() -> None:
    text = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n'
    assert span(text + b"2026-02-19 next\n", 0, len(text) + 16, begins)[:2] == (len(text), [])
