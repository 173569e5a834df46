"""Conditions on a field of a record: `status_code>=500`, `error.type=KeyError`, `message~time.*out`."""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

MISSING = object()  #: what a field is that a record does not have

_GRAMMAR = re.compile(r"(?P<field>[^=!~<>]+)(?P<operator>!=|!~|>=|<=|=|~|>|<)(?P<value>.*)", re.DOTALL)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`name operator value`; `!=` and `!~` hold also where there is no such field."""

    name: str  #: of the field, or a path to it
    operator: str
    value: str
    _test: Callable[[Any], bool] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read one.

        Raises:
            ValueError: it is not of this form, not a regular expression, or not a number.
        """
        match = _GRAMMAR.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is no condition such as status_code>=500; known are = != ~ !~ > >= < <=")
        name, sign, value = match["field"].strip(), match["operator"], match["value"].strip()
        if not name:
            raise ValueError(f"{text!r} names no field")
        return cls(name, sign, value, _test(sign, value))

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether a record meets it."""
        return self._test(find(fields, self.name))


def find(value: Any, name: str) -> Any:
    """A field by its name, or by its path through objects; a name with dots in it wins over a path."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        head, dot, rest = name.partition(".")
        return find(value.get(head), rest) if dot else MISSING
    if isinstance(value, list) and value:
        head, dot, rest = name.partition(".")
        if head.isdecimal() and len(head) < 6 and int(head) < len(value):
            return find(value[int(head)], rest) if dot else value[int(head)]
    return MISSING


def text_of(value: Any) -> str | None:
    """A field as it is compared and counted: a text as it is, all else as JSON; None where there is none.

    What is nested too deep for that is `...`.
    """
    if value is MISSING:
        return None
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # what others write and orjson would not: a large number, half a surrogate
        try:
            return json.dumps(value)
        except RecursionError:
            return "..."


def _test(sign: str, value: str) -> Callable[[Any], bool]:
    if sign in _ORDER:
        try:
            number, compare = float(value), _ORDER[sign]
        except ValueError:
            raise ValueError(f"{sign} compares numbers, and {value!r} is none") from None
        return lambda found: _is_number(found) and compare(found, number)
    equal = _matches(value) if sign.endswith("~") else _equals(value)
    return (lambda found: not equal(found)) if sign.startswith("!") else equal


def _equals(value: str) -> Callable[[Any], bool]:
    try:
        number: float | None = float(value)
    except ValueError:
        number = None
    return lambda found: text_of(found) == value or (number is not None and _is_number(found) and found == number)


def _matches(pattern: str) -> Callable[[Any], bool]:
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return lambda found: (text := text_of(found)) is not None and search(text) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
