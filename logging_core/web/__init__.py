"""Integrations with web frameworks, databases and Celery; each is imported only by applications that use it.

`setup_logging(app)` finds the one that the application needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logging_core.formatters import CustomJsonFormatter
    from logging_core.tracing import setup_tracing

__all__ = ["CustomJsonFormatter", "setup_logging", "setup_tracing"]

#: The package that an application's class, or one of its bases, comes from -> our module.
_FRAMEWORKS = {"flask": "flask", "starlette": "asgi", "fastapi": "asgi", "celery": "celery"}
_LAZY = {"CustomJsonFormatter": "logging_core.formatters", "setup_tracing": "logging_core.tracing"}


def setup_logging(app: Any = None, **options: Any) -> None:
    """Set logging up for an application: Flask, Starlette, FastAPI or Celery; with none, for Django.

    The options are those of `setup_logging` in `logging_core.web.flask`, `asgi`, `celery` or `django`.

    Raises:
        TypeError: it is an application of no such framework.
    """
    if app is None:
        importlib.import_module("logging_core.web.django").setup_logging(**options)
        return
    for kind in type(app).__mro__:
        module = _FRAMEWORKS.get(kind.__module__.partition(".")[0])
        if module is not None:
            importlib.import_module(f"logging_core.web.{module}").setup_logging(app, **options)
            return
    raise TypeError(f"an application of Flask, Starlette, FastAPI or Celery, not {type(app).__name__}")


def __getattr__(name: str) -> Any:
    """What needs a package of its own is imported when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
