"""Patterns as Hyperscan compiles them: all at once, and one alone where one of them cannot be."""

from collections.abc import Sequence

import hyperscan

from rules.errors import ConfigError

FLAGS = hyperscan.HS_FLAG_SOM_LEFTMOST | hyperscan.HS_FLAG_MULTILINE


def compiled(patterns: Sequence[str]) -> hyperscan.Database:
    """The patterns as one database; a match tells the index of its pattern.

    Raises:
        ConfigError: naming each that cannot be compiled.
    """
    try:
        return _compiled(patterns)
    except hyperscan.error as error:
        mistakes = [f"{pattern!r} {mistake}" for pattern in patterns if (mistake := compile_mistake(pattern))]
        raise ConfigError(mistakes or [f"the patterns do not compile together: {error}"]) from error


def compile_mistake(pattern: str) -> str | None:
    """What Hyperscan says of a pattern that it does not take."""
    try:
        _compiled([pattern])
    except hyperscan.error as error:
        return f"does not compile: {error}"
    return None


def _compiled(patterns: Sequence[str]) -> hyperscan.Database:
    database, count = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK), len(patterns)
    expressions = [pattern.encode() for pattern in patterns]
    database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=[FLAGS] * count)
    return database
