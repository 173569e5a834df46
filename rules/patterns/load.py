"""Pattern files -> error types. Every mistake in every file is found at once."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from logging_core.config_file import Document, Location, read
from rules.errors import ConfigError
from rules.patterns import syntax
from rules.patterns.database import compile_mistake
from rules.patterns.model import ErrorType, PatternFile, Samples, Severity
from rules.struct_file import validated

LIBRARY = Path(__file__).parent.parent / "library" / "patterns"
LIVE_PRIORITY = 500  #: of a type that was added at run time: above all that ship, since somebody asked for it


class Loaded(NamedTuple):
    """A pattern file that was read."""

    document: Document
    types: tuple[ErrorType, ...]


def load_patterns(paths: Sequence[Path] = ()) -> tuple[ErrorType, ...]:
    """The error types of all the files (none given: those that ship with Tocsin), the highest priority first.

    Nothing is compiled here: `check` does it pattern by pattern, the scanner all at once.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    types = [each for loaded in load_files(paths or shipped()) for each in loaded.types]
    return tuple(sorted(types, key=lambda each: (-each.priority, each.type)))


def shipped() -> list[Path]:
    """The pattern files that ship with Tocsin."""
    return sorted(LIBRARY.glob("*.yml"))


def load_files(paths: Sequence[Path]) -> list[Loaded]:
    """What each file holds.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    files: list[Loaded] = []
    mistakes: list[str] = []
    origins: dict[str, Path] = {}
    for path in paths:
        try:
            document = read(path)
            loaded = Loaded(document, validated(document, PatternFile).types)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        mistakes += [
            document.mistake(place, f"{pattern!r} {mistake}")
            for place, pattern in patterns_of(loaded)
            if (mistake := syntax.mistake(pattern))
        ]
        for index, each in enumerate(loaded.types):
            if each.type in origins:
                place = ("types", index, "type")
                mistakes.append(document.mistake(place, f"{each.type} is already defined in {origins[each.type]}"))
            origins.setdefault(each.type, path)
        files.append(loaded)
    if mistakes:
        raise ConfigError(mistakes)
    return files


def patterns_of(loaded: Loaded) -> Iterator[tuple[Location, str]]:
    """(place, pattern) of every pattern and exclusion."""
    for index, each in enumerate(loaded.types):
        for key in ("patterns", "at_any_level", "exclusions"):
            patterns: tuple[str, ...] = getattr(each, key)
            for number, pattern in enumerate(patterns):
                yield ("types", index, key, number), pattern


def live_type(
    name: str, patterns: Sequence[str], *, severity: Severity = "error", priority: int = LIVE_PRIORITY
) -> ErrorType:
    """A type that is added at run time, without samples.

    Raises:
        ConfigError: with a line for each pattern that cannot be used.
    """
    checks: tuple[Callable[[str], str | None], ...] = (syntax.mistake, compile_mistake)
    mistakes = [
        f"{name}: {pattern!r} {mistake}"
        for pattern in patterns
        if (mistake := next(filter(None, (check(pattern) for check in checks)), None))
    ]
    if mistakes:
        raise ConfigError(mistakes)
    return ErrorType(name, severity, priority, tuple(patterns), Samples((), ()))
