"""Patterns as Hyperscan compiles them: all at once, and one alone where one of them cannot be."""

from collections.abc import Sequence

import hyperscan

FLAGS = hyperscan.HS_FLAG_SOM_LEFTMOST | hyperscan.HS_FLAG_MULTILINE


def compiled(patterns: Sequence[str]) -> hyperscan.Database:
    """The patterns as one database; a match tells the index of its pattern.

    Raises:
        hyperscan.error: where one of them cannot be compiled.
    """
    database, count = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK), len(patterns)
    expressions = [pattern.encode() for pattern in patterns]
    database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=[FLAGS] * count)
    return database


def compile_mistake(pattern: str) -> str | None:
    """What Hyperscan says of a pattern that it does not take."""
    try:
        compiled([pattern])
    except hyperscan.error as error:
        return f"does not compile: {error}"
    return None
