"""The error types of a program's own table, which may have changed since the last look at it."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from msgspec.structs import replace

from rules.errors import ConfigError
from rules.patterns import ErrorType, live_type, load_patterns
from rules.scanner import Scanner

TABLE = "LogErrorPattern.ERROR_CODES"

_Codes = tuple[tuple[str, tuple[str, ...]], ...]


def scanner_of(codes: Mapping[str, Sequence[str]]) -> Scanner:
    """A scanner for these types (type -> regular expressions), made anew where they changed.

    Raises:
        ConfigError: naming every entry that cannot be used.
    """
    mistakes = [
        f"{TABLE}[{type_!r}]: {patterns!r} is no list of regular expressions"
        for type_, patterns in codes.items()
        if not isinstance(patterns, list | tuple) or not all(isinstance(each, str) for each in patterns)
    ]
    if mistakes:
        raise ConfigError(mistakes)
    return _made(tuple((type_, tuple(patterns)) for type_, patterns in codes.items()))


@lru_cache(maxsize=2)
def _made(codes: _Codes) -> Scanner:
    types: list[ErrorType] = []
    mistakes: list[str] = []
    for type_, patterns in codes:
        try:
            types += [_type(type_, patterns)] if patterns else []
        except ConfigError as error:
            mistakes += [f"{TABLE}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)
    return Scanner(types)


def _type(type_: str, patterns: Sequence[str]) -> ErrorType:
    """The shipped type with these patterns, or a new one."""
    shipped = _shipped().get(type_)
    if shipped is None:
        return live_type(type_, patterns)
    if added := [pattern for pattern in patterns if pattern not in shipped.patterns]:
        live_type(type_, added)
    return replace(shipped, patterns=tuple(patterns))


@cache
def _shipped() -> Mapping[str, ErrorType]:
    return {each.type: each for each in load_patterns()}
