"""What is healed: runbooks, the planner, the guard, actions that measure whether they helped, and the journal.

`LogAnalyzer` and what belongs to it are imported when they are asked for: they read all the patterns there are.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery.analyzer import ErrorRecoveryMap as ErrorRecoveryMap
    from recovery.analyzer import LogAnalyzer as LogAnalyzer
    from recovery.analyzer import LogErrorPattern as LogErrorPattern

__all__ = ["ErrorRecoveryMap", "LogAnalyzer", "LogErrorPattern"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("recovery.analyzer"), name)
