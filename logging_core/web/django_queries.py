"""The record of each slow statement of Django's connections, within requests and outside of any."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from logging_core.web.guest import harmless
from logging_core.web.slow_queries import log_slow_query

_WATCH = "tocsin.slow_queries"


class SlowQueries:
    """Logs the statements that take longer than a threshold, also those that fail after it.

    Args:
        logger: `<name>.sql`, by convention.
        threshold_ms: milliseconds in the driver.
    """

    def __init__(self, logger: logging.Logger, threshold_ms: float) -> None:
        self._logger = logger
        self._threshold = threshold_ms / 1000

    def watch(self) -> None:
        """Time the statements of all connections, those there are in this thread and those to come."""
        connection_created.disconnect(dispatch_uid=_WATCH)  # of other settings, in tests
        connection_created.connect(self._wrap, weak=False, dispatch_uid=_WATCH)
        for connection in connections.all(initialized_only=True):
            self._wrap(connection=connection)

    def _wrap(self, connection: Any, **_: object) -> None:
        wrappers = connection.execute_wrappers
        wrappers[:] = [each for each in wrappers if not isinstance(each, SlowQueries)]
        wrappers.append(self)  # the innermost: nothing but the driver is timed

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any) -> Any:
        """As Django calls the wrapper of a statement."""
        began = perf_counter()
        try:
            result = execute(sql, params, many, context)
        except Exception as error:
            self._measure(sql, params, perf_counter() - began, error_type=type(error).__name__)
            raise
        self._measure(sql, params, perf_counter() - began)
        return result

    @harmless
    def _measure(self, sql: Any, params: Any, seconds: float, **fields: Any) -> None:
        if seconds > self._threshold:
            log_slow_query(self._logger, str(sql), params, seconds, **fields)
