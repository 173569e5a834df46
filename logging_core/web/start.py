"""What every integration begins with: logging itself, quiet libraries, slow statements, the use of resources."""

import importlib
import logging
import sys
from typing import Any

from logging_core.handlers import RedisStreamHandler
from logging_core.lifecycle import init_logging
from logging_core.line_handler import LineHandler
from logging_core.web.guest import harmless


def start_logging(**options: Any) -> None:
    """Initialise logging with these options of `init_logging`, unless the application has done so.

    Who has hung a handler of ours on a logger, by hand or by `dictConfig`, has done so too: each record is kept once.
    """
    if not _has_handler():
        init_logging(**options)


def _has_handler() -> bool:
    """One of ours for the records of all, or one to Redis; a component's own file (async_logging.py) is none."""
    root = logging.getLogger()
    handlers = [each for logger in root.manager.loggerDict.values() for each in getattr(logger, "handlers", ())]
    to_redis = any(isinstance(each, RedisStreamHandler) for each in handlers)
    return to_redis or any(isinstance(each, LineHandler) for each in root.handlers)


def quieten_sqlalchemy() -> None:
    """Take SQLAlchemy's own records of every statement out, unless the application has set a level for them."""
    logger = logging.getLogger("sqlalchemy.engine")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


class Companions:
    """What runs beside an application's requests: slow statements and the use of resources.

    Each process starts them with its first request: SQLAlchemy is imported by then, if it ever is, and a server that
    loads the application and then forks has no thread of ours.

    Args:
        name: of the application; its loggers are `<name>.sql` and `<name>.system`.
        slow_query_ms: milliseconds; None: statements are not watched.
        resource_interval: seconds; None: the use of resources is not sampled.
    """

    def __init__(self, name: str, slow_query_ms: float | None, resource_interval: float | None) -> None:
        self._name = name
        self._slow_query_ms = slow_query_ms
        self._resource_interval = resource_interval
        self._started = False
        if resource_interval is not None:
            importlib.import_module("logging_core.resources")  # what is missing is told at start
        self.watch_statements()

    @harmless
    def start(self) -> None:
        """Start them, once in a process; where there was no thread to be had, the next request tries again."""
        if self._started:
            return
        self._started = True
        self.watch_statements()
        if self._resource_interval is not None:
            from logging_core.resources import start_resource_sampler

            self._started = start_resource_sampler(self._resource_interval, name=self._name).is_sampling

    def watch_statements(self) -> None:
        """Watch all engines of SQLAlchemy, if the application has imported it."""
        if self._slow_query_ms is not None and "sqlalchemy" in sys.modules:
            from logging_core.web.sqlalchemy import SlowQueries

            SlowQueries(logging.getLogger(f"{self._name}.sql"), self._slow_query_ms).watch()
