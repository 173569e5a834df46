"""The error types of a program's own table, which may have changed since the last look at it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache

from pydantic import TypeAdapter, ValidationError

from rules.errors import ConfigError
from rules.patterns import ErrorType, Pattern, Samples, load_patterns
from rules.scanner import Scanner

TABLE = "LogErrorPattern.ERROR_CODES"
PRIORITY = 1000  #: of types that the program made itself: it knows its errors best

_PATTERN = TypeAdapter(Pattern)
_Codes = tuple[tuple[str, tuple[str, ...]], ...]


def scanner_of(codes: Mapping[str, Sequence[str]]) -> Scanner:
    """A scanner for these types (type -> regular expressions), made anew where they changed.

    Raises:
        ConfigError: naming every entry that cannot be used.
    """
    mistakes = [
        f"{TABLE}[{type_!r}]: {patterns!r} is no list of regular expressions"
        for type_, patterns in codes.items()
        if isinstance(patterns, str) or not all(isinstance(each, str) for each in patterns)
    ]
    if mistakes:
        raise ConfigError(mistakes)
    return _made(tuple((type_, tuple(patterns)) for type_, patterns in codes.items()))


@lru_cache(maxsize=2)
def _made(codes: _Codes) -> Scanner:
    mistakes = [mistake for type_, patterns in codes for mistake in _mistakes(type_, patterns)]
    if mistakes:
        raise ConfigError(mistakes)
    return Scanner(_type(type_, patterns) for type_, patterns in codes if patterns)


def _mistakes(type_: str, patterns: Sequence[str]) -> Iterator[str]:
    shipped = _shipped().get(type_)
    known = set(shipped.patterns) if shipped else set()
    for pattern in patterns:
        if pattern in known:
            continue
        try:
            _PATTERN.validate_python(pattern)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            yield f"{TABLE}[{type_!r}]: {said}"


def _type(type_: str, patterns: Sequence[str]) -> ErrorType:
    """The shipped type with these patterns, or a new one."""
    shipped = _shipped().get(type_)
    if shipped:
        return shipped.model_copy(update={"patterns": list(patterns)})
    samples = Samples.model_construct(match=[], other=[])  # the document lets types be added without them
    return ErrorType.model_construct(
        type=type_, severity="error", priority=PRIORITY, patterns=list(patterns), exclusions=(), samples=samples
    )


@cache
def _shipped() -> Mapping[str, ErrorType]:
    return {each.type: each for each in load_patterns()}
