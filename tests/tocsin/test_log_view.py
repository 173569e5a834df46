import orjson
import pytest

from logging_core.printable import printable
from rules.log_query import Query, Selection
from tocsin.log_view import shown


def view(fields, *, colour=False):
    (found,) = Selection(Query()).of(orjson.dumps(fields))
    return shown(found, colour=colour)


RECORD = {
    "timestamp": "2026-02-19T10:30:00.123456+00:00",
    "level": "ERROR",
    "logger": "shop.api",
    "message": "order failed",
    "module": "orders",
    "line": 42,
    "service": "shop",
    "user_id": "user_001",
    "note": "two words",
    "cart": {"sku": ["A-1"]},
    "error": {"type": "KeyError", "message": "'sku'", "stack": "Traceback:\n  File x\nKeyError: 'sku'\n"},
}


def test_a_record_is_a_line_and_its_stack_is_indented():
    assert view(RECORD).splitlines() == [
        (
            '2026-02-19T10:30:00.123Z ERROR    shop shop.api: order failed  user_id=user_001 note="two words" '
            'cart={"sku":["A-1"]} error.type=KeyError error.message="\'sku\'"'
        ),
        "    Traceback:",
        "      File x",
        "    KeyError: 'sku'",
    ]


def test_the_time_is_utc_whatever_the_record_says():
    assert view({"timestamp": "2026-02-19T12:30:00+02:00"}).startswith("2026-02-19T10:30:00.000Z ")
    assert view({"timestamp": "never"}).startswith("never ")
    assert view({"message": "x"}).startswith("- ")


def test_only_a_terminal_sees_colours():
    assert "\x1b" not in view(RECORD)
    assert "\x1b[31mERROR   \x1b[0m" in view(RECORD, colour=True)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("a\u2028b\x85", "a\\u2028b\\x85"),
        ("\U000e0041", "\\U000e0041"),
        ("größe 日本 🔔", "größe 日本 🔔"),
    ],
)
def test_a_terminal_is_shown_what_it_would_obey(text, safe):
    assert printable(text) == safe
    fields = dict.fromkeys(("timestamp", "level", "logger", "message", "service", "extra", text), text)
    shown_lines = view(fields | {"error": {"type": text, "stack": text, text: text}})
    assert not {character for character in shown_lines if ord(character) in {*range(0x20), *range(0x7F, 0xA0)}} - {"\n"}
    assert not set(shown_lines) & {"\u202e", "\u2066", "\u2028"}


def test_a_name_that_could_be_taken_for_a_value_is_quoted():
    assert ' "a b"=1 "c=2 d"=3 ' in view({"message": "x", "a b": 1, "c=2 d": 3, "e": 4})


def test_no_text_looks_like_a_record_of_its_own():
    forged = "x\n2026-02-19T10:30:00.123Z CRITICAL shop root: forged"
    lines = view({"message": forged, "extra": forged, "error": {"message": forged, "stack": forged}}).splitlines()
    assert [line for line in lines[1:] if not line.startswith("    ")] == []
