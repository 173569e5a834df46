"""A record as people read it in a terminal.

    2026-02-19T10:30:00.123Z ERROR    shop shop.api: order failed  user_id=user_001
        Traceback (most recent call last):
        ...

A line is one record, and only a stack has more, indented: so no text can look like a record of its own. Characters
that would move the cursor, colour the terminal or turn the direction of writing are shown as `\\x1b` and the like.
"""

import re
from typing import Any

from logging_core.printable import printable
from rules.conditions import text_of
from rules.log_query import LEVELS, Found, rank

#: Shown in a place of their own, or not at all: `--json` has everything.
_PLACED = frozenset({"timestamp", "level", "logger", "message", "service", "error"})
_QUIET = frozenset({"module", "function", "line", "thread", "process"})
_BARE = re.compile(r"[^\s\"'=\\{}\[\]]+")
_COLOURS = ((LEVELS["CRITICAL"], "1;31"), (LEVELS["ERROR"], "31"), (LEVELS["WARNING"], "33"), (LEVELS["INFO"], "32"))


def shown(found: Found, *, colour: bool) -> str:
    """A record in lines, the last one ended too."""
    fields = found.fields
    level = _text(fields.get("level", ""))
    where = " ".join(filter(None, (_text(fields.get("service", "")), _text(fields.get("logger", "")))))
    shown_level = f"{level:8}"
    if colour:
        shown_level = f"\x1b[{_colour(level)}m{shown_level}\x1b[0m"
    rest = "".join(f" {_value(name)}={_value(value)}" for name, value in _others(fields))
    first = f"{_time(found, fields)} {shown_level} {where}: {_text(fields.get('message', ''))}"
    return "\n".join((f"{first} {rest}" if rest else first, *_stack(fields.get("error")), ""))


def _time(found: Found, fields: dict[str, Any]) -> str:
    if found.when and "timestamp" in fields:
        return f"{found.when[:23]}Z"
    return _text(fields.get("timestamp", "-"))


def _colour(level: str) -> str:
    return next((code for least, code in _COLOURS if rank(level) >= least), "2")


def _others(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    others = [(name, value) for name, value in fields.items() if name not in _PLACED | _QUIET]
    error = fields.get("error")
    if isinstance(error, dict):
        others += [(f"error.{name}", value) for name, value in error.items() if name != "stack"]
    elif error is not None:
        others.append(("error", error))
    return others


def _stack(error: Any) -> list[str]:
    stack = error.get("stack") if isinstance(error, dict) else None
    return [f"    {printable(line)}" for line in stack.rstrip().split("\n")] if isinstance(stack, str) and stack else []


def _text(value: Any) -> str:
    return printable(text_of(value) or "")


def _value(value: Any) -> str:
    if isinstance(value, str) and not _BARE.fullmatch(value):
        return '"{}"'.format(printable(value).replace('"', '\\"'))
    return _text(value)
