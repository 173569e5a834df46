"""Nothing that a text holds steers the terminal that it is printed to."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logging_core.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, café, 密码, 🙂", "plain, café, 密码, 🙂"),
        ("a\tb c", "a\\tb c"),
        ("a\nb", "a\\nb"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028\x00\x7f\x85", "\\u2028\\x00\\x7f\\x85"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
    ],
)
def test_what_steers_is_escaped_and_the_rest_stays(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text())
def test_no_control_comes_through(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert printable(shown) == shown
