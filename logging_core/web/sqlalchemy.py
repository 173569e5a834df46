"""The record of each slow statement: listeners on SQLAlchemy's engines, synchronous and asynchronous."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext, ExecutionContext

from logging_core.web.slow_queries import log_slow_query

_STARTED = "_tocsin_started"  #: on the execution itself, so that one which fails leaves nothing behind


class SlowQueries:
    """Logs the statements that take longer than a threshold, also those that fail after it.

    Args:
        logger: `<app>.sql`, by convention.
        threshold_ms: milliseconds in the driver.
        show_parameters: their values instead of their types; redaction still applies to the record.
    """

    def __init__(self, logger: logging.Logger, threshold_ms: float = 100, *, show_parameters: bool = False) -> None:
        self.logger = logger
        self.threshold_ms = threshold_ms
        self.show_parameters = show_parameters

    def watch(self, target: Any = Engine) -> None:
        """Listen on an engine (an AsyncEngine too), or on all there are and will be. Twice is once."""
        target = getattr(target, "sync_engine", target)
        for name, listener in self._listeners():
            if not event.contains(target, name, listener):
                event.listen(target, name, listener)

    def ignore(self, target: Any = Engine) -> None:
        """Stop listening on what `watch` was called with."""
        target = getattr(target, "sync_engine", target)
        for name, listener in self._listeners():
            if event.contains(target, name, listener):
                event.remove(target, name, listener)

    def _listeners(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        return (
            ("before_cursor_execute", self._started),
            ("after_cursor_execute", self._ended),
            ("handle_error", self._failed),
        )

    def _started(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        execution: ExecutionContext | None,
        executemany: Any,
    ) -> None:
        if execution is not None:
            execution.__dict__[_STARTED] = perf_counter()

    def _ended(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        execution: ExecutionContext | None,
        executemany: Any,
    ) -> None:
        self._measure(execution, statement, parameters)

    def _failed(self, failure: ExceptionContext) -> None:
        self._measure(
            failure.execution_context,
            failure.statement or "",
            failure.parameters,
            error_type=type(failure.original_exception).__name__,
        )

    def _measure(self, execution: ExecutionContext | None, statement: str, parameters: Any, **fields: Any) -> None:
        started = execution.__dict__.get(_STARTED) if execution is not None else None
        if execution is None or started is None:
            return
        seconds = perf_counter() - started
        if seconds * 1000 <= self.threshold_ms:
            return
        execution.__dict__[_STARTED] = None  # who else watches this engine, or all of them, makes no second record
        log_slow_query(self.logger, statement, parameters, seconds, show_parameters=self.show_parameters, **fields)
