"""A worker's own logging: the root logger stays as the application has set it up, and Celery's records say no secrets.

Celery takes all handlers off the root logger, sets its level and turns what is printed into records; all this only as
long as nobody answers its signal `setup_logging`.
"""

import logging
from logging.handlers import WatchedFileHandler
from typing import Any

from celery import signals
from celery.utils.log import ColorFormatter

from logging_core.web import once
from logging_core.web.start import start_logging

_TASKS = "celery.app.trace"
_REQUESTS = "celery.worker.request"
_RECEIVED = "celery.worker.strategy"


_options: dict[str, Any] = {}  #: of `init_logging`


def keep_logging(tasks: logging.Logger, options: dict[str, Any], *, log_args: bool) -> None:
    """From now on Celery leaves the root logger alone, and does not repeat the failures that `tasks` tells."""
    _options.update(options)
    signals.setup_logging.connect(_set_up, weak=False, dispatch_uid="tocsin.setup_logging")
    once.add_once(logging.getLogger(_TASKS), once.Once(tasks))
    once.add_once(logging.getLogger(_REQUESTS), once.Once(tasks, _is_told))
    if not log_args:
        for name in (_TASKS, _RECEIVED):
            once.add_once(logging.getLogger(name), _WithoutArguments())


def _set_up(loglevel: int, logfile: str | None, format: str, colorize: bool, **_: Any) -> None:  # noqa: A002, FBT001
    """What the command line asks for is for Celery's own loggers; the rest is the application's business."""
    start_logging(**_options)
    root, celery = logging.getLogger(), logging.getLogger("celery")
    if logfile or not root.handlers:
        handler = WatchedFileHandler(logfile, encoding="utf-8") if logfile else logging.StreamHandler()
        handler.setFormatter(ColorFormatter(format, use_color=colorize))
        root.addHandler(handler)
    if celery.level == logging.NOTSET:
        celery.setLevel(loglevel)


class _WithoutArguments(logging.Filter):
    """Takes `data` off Celery's records: names and ids, which are said better, and the arguments of the task."""

    def filter(self, record: logging.LogRecord) -> bool:
        data = record.__dict__.pop("data", None)
        if isinstance(data, dict):
            record.__dict__.update({f"task_{key}": data[key] for key in ("id", "name") if key in data})
        return True


def _is_told(record: logging.LogRecord) -> bool:
    """Of a task that was killed for its time Celery speaks first, and we right after it."""
    errors = record.args if isinstance(record.args, tuple) else ()
    return any(map(once.is_marked, errors)) or str(record.msg).startswith("Hard time limit")
