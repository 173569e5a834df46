"""A guest's manners: what we do inside of an application's request may fail, but never the request."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from logging_core.complaints import complain

P = ParamSpec("P")
_failed: set[str] = set()


def harmless(step: Callable[P, None]) -> Callable[P, None]:
    """A step of ours that does not raise; its first failure is told on stderr."""

    @wraps(step)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            step(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # the application must never notice
            if step.__qualname__ not in _failed:
                _failed.add(step.__qualname__)
                complain(f"{step.__module__}.{step.__qualname__} failed: {type(error).__name__}: {error}")

    return guarded
