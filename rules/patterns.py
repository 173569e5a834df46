"""Error types and the patterns by which their lines are known, read from YAML files that carry their own samples."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import hyperscan
from pydantic import AfterValidator, Field

from rules.errors import ConfigError
from rules.yaml_file import Section, load_as

LIBRARY = Path(__file__).parent / "library" / "patterns"
FLAGS = hyperscan.HS_FLAG_SOM_LEFTMOST | hyperscan.HS_FLAG_MULTILINE
_VARIABLE_TAIL = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})\)*$")

Severity = Literal["warning", "error", "critical"]


def _usable(pattern: str) -> str:
    if _VARIABLE_TAIL.search(pattern):
        raise ValueError(f"{pattern!r} ends in a repetition, and every end of it would be reported: fix its tail")
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[pattern.encode()], ids=[0], elements=1, flags=[FLAGS])
    except hyperscan.error as error:
        raise ValueError(f"{pattern!r} does not compile: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_usable)]  #: in Hyperscan's syntax: PCRE without look-around and references
Line = Annotated[str, Field(min_length=1)]


class Samples(Section):
    """Lines that prove the patterns of a type; a type without samples is refused."""

    match: list[Line] = Field(min_length=1)
    other: list[Line] = Field(min_length=1)  #: look-alikes, which must not match


class ErrorType(Section):
    """One kind of error: a line is of it when a pattern matches and no exclusion does."""

    type: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")
    severity: Severity
    priority: int = Field(ge=0, le=1000)  #: of several types that match a line, the highest wins
    patterns: list[Pattern] = Field(min_length=1)
    exclusions: tuple[Pattern, ...] = ()
    samples: Samples


class PatternFile(Section):
    """What a pattern file holds."""

    types: list[ErrorType] = Field(min_length=1)


def load_patterns(paths: Sequence[Path] = ()) -> tuple[ErrorType, ...]:
    """The error types of all the files (none given: those that ship with Tocsin), the highest priority first.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    origins: dict[str, Path] = {}
    types: list[ErrorType] = []
    mistakes: list[str] = []
    for path in paths or sorted(LIBRARY.glob("*.yml")):
        try:
            found = load_as(path, PatternFile).types
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        for each in found:
            if each.type in origins:
                mistakes.append(f"{path}: types: {each.type} is already defined in {origins[each.type]}")
            origins[each.type] = path
            types.append(each)
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(sorted(types, key=lambda each: (-each.priority, each.type)))
