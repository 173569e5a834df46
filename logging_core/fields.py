"""What the fields of a record mean: which names are ours, what an error looks like, what orjson may be shown."""

import logging
import traceback
from collections.abc import Mapping
from datetime import date, datetime, timezone
from math import isfinite
from typing import Any
from uuid import UUID

from logging_core.sanitize import MAX_DEPTH, text_of

STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
#: What formatters of other handlers, and newer Pythons, leave on a record.
RENDERED = frozenset({"message", "asctime", "taskName"})
#: Our own fields: an extra of the same name goes under `extra`, so that it is neither lost nor mistaken for ours.
OURS = frozenset(
    {"timestamp", "level", "logger", "function", "line", "thread", "service", "extra", "altered", "error"}
)  # fmt: skip
SPECIAL = STANDARD | RENDERED | OURS
#: What orjson either writes as it is or refuses.
SCALARS = frozenset({str, int, bool, type(None)})

_MAX_ITEMS = 64 * 1024  #: of a container; a line has no room for more


def placed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a caller named them, each where it belongs: those of reserved names under `extra`."""
    if SPECIAL.isdisjoint(given):
        return dict(given)
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name == "error":
            fields[name] = error_field(value)
        elif name == "extra" and type(value) is dict:
            fields["extra"] = {**value, **fields.get("extra", {})}
        elif name in SPECIAL:
            fields.setdefault("extra", {})[name] = value
        else:
            fields[name] = value
    return fields


def error_field(value: Any) -> Any:
    """`error` is an object in every line: a text is its message, a `{code, message}` its type and message."""
    if isinstance(value, BaseException):
        return {"type": _type_name(type(value)), "message": text_of(value)}
    if not isinstance(value, dict):
        return {"message": value if isinstance(value, str) else text_of(value)}
    error = dict(value)
    if "code" in error and "type" not in error:
        error["type"] = error.pop("code")
    for key in ("type", "message", "stack"):
        if not isinstance(error.get(key, ""), str):
            error[key] = text_of(error[key])
    return error


def add_exception(fields: dict[str, Any], info: Any, text: str | None = None) -> None:
    """Add `error`: type, message and stack of what `exc_info` means; `text`: the stack, if it is rendered already.

    Raises:
        TypeError: this is no exception.
    """
    kind, error, trace = (type(info), info, info.__traceback__) if isinstance(info, BaseException) else info
    if kind is None:
        return
    if not isinstance(kind, type):
        raise TypeError(kind)
    stack = text_of(text) if text else "".join(_format_exception(kind, error, trace))
    if "error" in fields:  # a real exception is never overwritten
        fields.setdefault("extra", {})["error"] = fields["error"]
    fields["error"] = {"type": _type_name(kind), "message": text_of(error), "stack": stack}


def _format_exception(kind: type[BaseException], error: BaseException | None, trace: Any) -> list[str]:
    try:
        return traceback.format_exception(kind, error, trace)
    except Exception:  # noqa: BLE001  # an exception whose own text raises
        return [f"{_type_name(kind)}: {text_of(error)}\n", *traceback.format_tb(trace)]


def _type_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def is_sound(value: Any, depth: int = 0) -> bool:
    """Whether orjson survives it (3.13: SIGSEGV), and writes it as it is or refuses it.

    It follows tuples without end, and asks enums, dataclasses and time zones for what they hold as if none could raise.
    It writes NaN and infinities as null. What has too many items for a line is not worth showing it.
    """
    kind = type(value)
    if kind is float:
        return isfinite(value)
    if kind is dict:
        value = value.values()
    elif kind is datetime:
        return value.tzinfo is None or type(value.tzinfo) is timezone
    elif kind is not list and kind is not tuple:
        return kind in SCALARS or kind is UUID or kind is date
    if len(value) > _MAX_ITEMS:
        return False
    for item in value:
        if type(item) not in SCALARS and (depth >= MAX_DEPTH or not is_sound(item, depth + 1)):
            return False
    return True
