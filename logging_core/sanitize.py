"""Any Python value as something that JSON can hold, changed as little as possible, every loss named."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Any

#: Characters of one text, items of one container, containers inside each other, values in all.
MAX_TEXT, MAX_ITEMS, MAX_DEPTH, MAX_VALUES = 32 * 1024, 1000, 20, 10_000
MAX_NAME = 200  #: characters of one name
#: What stands for values of a type whose text would tell too much, such as a request with its query.
STANDS_FOR: dict[type, Callable[[Any], Any]] = {}


class Sanitizer:
    """Cleans the values of one record. `altered` maps the dotted path of each changed value to what was wrong.

    Nothing that a value does can raise out of here. Subclasses of numbers, texts and dicts are taken for what they
    hold, not for what their methods say.
    """

    def __init__(self, max_text: int = MAX_TEXT, max_items: int = MAX_ITEMS) -> None:
        self.altered: dict[str, str] = {}
        self._max_text = max_text
        self._max_items = max_items
        self._left = MAX_VALUES
        self._open: set[int] = set()  # ids of the containers that we are inside of

    def clean(self, value: Any, path: str) -> Any:
        """The value as plain dicts, lists, texts, numbers, booleans and None."""
        self._left -= 1
        if self._left < 0:
            self.altered[path.partition(".")[0]] = f"cut at {MAX_VALUES} values"
            return None
        try:
            return self._clean(value, path)
        except Exception as error:  # noqa: BLE001  # even to be asked what it is may be too much for a lazy proxy
            self.altered[path] = name_of(error)
            return f"<{name_of(value)}>"

    def name(self, key: Any, path: str = "") -> str:
        """The name of a field in the container at `path`."""
        text = text_of(key)
        name = text.encode("utf-8", "backslashreplace").decode()[:MAX_NAME]
        if name != text:
            self.altered[f"{path}.{name}" if path else name] = "name"
        return name

    def _clean(self, value: Any, path: str) -> Any:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int):
            return self._integer(int.__int__(value), path)
        if isinstance(value, float):
            return self._float(float.__float__(value), path)
        if isinstance(value, str):
            return self._text(str.__str__(value), path)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.altered[path] = "bytes"
            return self._text(bytes(memoryview(value)[: self._max_text]).decode("utf-8", "backslashreplace"), path)
        if isinstance(value, Enum):
            return self._clean(value.value, path)
        if isinstance(value, (date, time)):
            return value.isoformat()
        if isinstance(value, (Mapping, list, tuple, set, frozenset)) or _is_data(value):
            return self._container(value, path)
        for kind in type.mro(type(value)) if STANDS_FOR else ():
            if kind in STANDS_FOR:
                return self._clean(STANDS_FOR[kind](value), path)
        return self._text(text_of(value, self.altered, path), path)

    def _integer(self, value: int, path: str) -> int | str:
        if -(2**63) <= value < 2**64:
            return value
        self.altered[path] = "integer"  # past 64 bits: as text
        return hex(value)[: self._max_text]

    def _float(self, value: float, path: str) -> float | str:
        if math.isfinite(value):
            return value
        self.altered[path] = "nan" if math.isnan(value) else "infinity"
        return str(value)

    def _text(self, text: str, path: str) -> str:
        if len(text) > self._max_text:
            self.altered[path] = f"cut from {len(text)} characters"
            text = text[: self._max_text]
        if not text.isascii():
            plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
            if plain != text:
                self.altered[path] = "surrogates"
            return plain
        return text

    def _container(self, value: Any, path: str) -> Any:
        if id(value) in self._open:
            self.altered[path] = "cycle"
            return "<cycle>"
        if len(self._open) >= MAX_DEPTH:
            self.altered[path] = "depth"
            return "<too deep>"
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return self._mapping(dict.items(value), path)
            if isinstance(value, Mapping):
                return self._mapping(value.items(), path)
            if _is_data(value):
                return self._mapping(((each.name, getattr(value, each.name)) for each in fields(value)), path)
            items = [self.clean(item, f"{path}.{index}") for index, item in enumerate(islice(value, self._max_items))]
            if len(value) > len(items):
                self.altered[path] = f"cut from {len(value)} items"
            return items
        finally:
            self._open.discard(id(value))

    def _mapping(self, items: Iterable[tuple[Any, Any]], path: str) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for index, (key, item) in enumerate(items):
            if index >= self._max_items:
                self.altered[path] = f"cut at {self._max_items} items"
                break
            name = self.name(key, path)
            if name in cleaned:
                self.altered[f"{path}.{name}"] = "a name that came twice"
            cleaned[name] = self.clean(item, f"{path}.{name}")
        return cleaned


def text_of(value: Any, altered: dict[str, str] | None = None, path: str = "") -> str:
    """`str(value)`, or its type's name where that raises (noted in `altered`)."""
    try:
        text = value if isinstance(value, str) else str(value)
        return str.__str__(text)
    except Exception as error:  # noqa: BLE001  # a hostile __str__ is the caller's, the record is ours to bring home
        if altered is not None:
            altered[path] = name_of(error)
        return f"<{name_of(value)}>"


def name_of(value: object) -> str:
    """The name of its type, whatever the type says of itself."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name


def _is_data(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
