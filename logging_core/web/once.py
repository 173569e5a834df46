"""One error, one record: what a framework says of an error that we have logged goes to no handler that has our record.

Its own handlers, such as Django's mail to the administrators or uvicorn's console, still get the framework's.
"""

import logging
from collections.abc import Callable

_MARK = "_tocsin_logged"


def mark(error: BaseException) -> None:
    """Note that this error has a record of ours."""
    try:
        setattr(error, _MARK, True)
    except Exception:  # noqa: BLE001, S110  # an exception class that lets nobody set anything: two records, then
        pass


def is_marked(error: object) -> bool:
    """Whether it is an error that has a record of ours."""
    return isinstance(error, BaseException) and getattr(error, _MARK, False) is True


def is_about_marked(record: logging.LogRecord) -> bool:
    """Whether the record's exception has a record of ours."""
    return isinstance(record.exc_info, tuple) and is_marked(record.exc_info[1])


class Once(logging.Filter):
    """For the logger of a framework: what this says is `told` goes only to handlers that `ours` does not reach."""

    def __init__(self, ours: logging.Logger, told: Callable[[logging.LogRecord], bool] = is_about_marked) -> None:
        super().__init__()
        self._ours = ours
        self._told = told

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what has been told; the other handlers have been given it then."""
        try:
            if not self._told(record):
                return True
            have_ours = handlers_of(self._ours)
            for handler in handlers_of(logging.getLogger(record.name)):
                if handler not in have_ours and record.levelno >= handler.level:
                    handler.handle(record)
        except Exception:  # noqa: BLE001  # the framework's own logging must not fail because of us
            return True
        return False


def handlers_of(logger: logging.Logger) -> list[logging.Handler]:
    """All handlers that a record of this logger comes to."""
    found: list[logging.Handler] = []
    at: logging.Logger | None = logger
    while at is not None:
        found += at.handlers
        at = at.parent if at.propagate else None
    return found


def add_once(logger: logging.Logger, filter_: logging.Filter) -> None:
    """Put this filter in the place of an earlier one of its class."""
    for earlier in [each for each in logger.filters if type(each) is type(filter_)]:
        logger.removeFilter(earlier)
    logger.addFilter(filter_)
