"""The record of a slow statement, whichever library has run it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_STATEMENT = 4000  #: characters
_MAX_PARAMETERS = 50


def log_slow_query(
    logger: logging.Logger,
    statement: str,
    parameters: Any,
    seconds: float,
    *,
    show_parameters: bool = False,
    **fields: Any,
) -> None:
    """Log a statement that took too long, with the types of its parameters, or as they are."""
    extra = {
        "event": "slow_query",
        "duration_ms": round(seconds * 1000, 3),
        "statement": statement[:_MAX_STATEMENT],
        "parameters": parameters if show_parameters else types_of(parameters),
        **fields,
    }
    logger.warning("Slow query", extra=extra)


def types_of(parameters: Any) -> Any:
    """The parameters with the name of its type for each value; of many rows their number and the first one's types."""
    if isinstance(parameters, Mapping):
        return {str(name): type(parameters[name]).__name__ for name in list(parameters)[:_MAX_PARAMETERS]}
    if not isinstance(parameters, Sequence) or isinstance(parameters, str | bytes):
        return type(parameters).__name__
    if parameters and isinstance(parameters[0], Mapping | list | tuple):
        return {"rows": len(parameters), "first": types_of(parameters[0])}
    return [type(value).__name__ for value in parameters[:_MAX_PARAMETERS]]
