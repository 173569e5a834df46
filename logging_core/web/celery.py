"""Logging in a user's own Celery application: `setup_logging(app)` beside `app = Celery(...)`, and that is all.

A published message carries the context in its header `tocsin`. Around the task it is in force again, with `task_id`,
`task_name` and `attempt`: also in eager mode, in retries, chains, groups and chords. Everything hangs on Celery's
signals, which keep whatever goes wrong in here away from the task.
"""

import logging
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from celery import Celery, signals, states
from celery.exceptions import Reject

from logging_core import context
from logging_core.context import LoggingContext
from logging_core.web import carrier, celery_worker, once
from logging_core.web.errors import Quiet, log_unhandled
from logging_core.web.request_ids import well_formed
from logging_core.web.start import Companions, quieten_sqlalchemy

HEADER = "tocsin"  #: of a message: what carrier.py makes

_OPTIONS = "_tocsin_options"  #: attribute of an application
_RUN = "_tocsin_run"  #: attribute of the request of a task that runs here


@dataclass(frozen=True)
class _Options:
    tasks: logging.Logger
    quiet_exceptions: Quiet
    companions: Companions


@dataclass(frozen=True)
class _Run:
    """A task that runs in this thread."""

    block: LoggingContext
    began: float  #: of time.perf_counter


_carried: set[str] = set()  #: names of fields, of all applications: the signal of publishing tells none
_received: WeakValueDictionary[str, Any] = WeakValueDictionary()  #: a worker's requests by task id, while they live


def setup_logging(
    app: Celery,
    *,
    carry: Collection[str] = carrier.CARRIED,
    slow_query_ms: float | None = 100,
    quiet_exceptions: Quiet = (),
    resource_interval: float | None = 60,
    log_args: bool = False,
    **logging_options: Any,
) -> None:
    """Log the tasks of this application, wherever they run. Called again, it takes the new options.

    In a worker, and in beat, logging begins as by `init_logging` unless the application has begun it, and Celery leaves
    the handlers and the level of the root logger alone. In any other process, such as a web server's, that is not
    touched; messages carry the context.

    Args:
        app: the application; the records of its tasks are those of the logger `<its name>.tasks`.
        carry: which of the context's fields go from the publisher to the task, besides the trace id.
        slow_query_ms: statements of SQLAlchemy that take longer are logged; None: none is.
        quiet_exceptions: types whose records carry `alert: false`.
        resource_interval: seconds between records of the use of resources by a process; None: there are none.
        log_args: whether Celery's own records keep the arguments of tasks (in their extra field `data`).
        logging_options: of `init_logging`.

    Raises:
        ModuleNotFoundError: a package is missing; the text says how to install it.
    """
    name = app.main or "celery"
    tasks = logging.getLogger(f"{name}.tasks")
    setattr(app, _OPTIONS, _Options(tasks, tuple(quiet_exceptions), Companions(name, slow_query_ms, resource_interval)))
    _carried.update(carry)
    quieten_sqlalchemy()
    for signal, receiver in (
        (signals.before_task_publish, _publish),
        (signals.task_received, _receive),
        (signals.task_prerun, _begin),
        (signals.task_postrun, _end),
        (signals.task_failure, _fail),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"tocsin.{receiver.__name__}")
    celery_worker.keep_logging(tasks, logging_options, log_args=log_args)


def _publish(headers: Any = None, **_: object) -> None:
    fields = carrier.outgoing(_carried)
    if fields and isinstance(headers, dict):
        headers[HEADER] = fields


def _receive(request: Any, **_: object) -> None:
    _received[request.id] = request


def _begin(task: Any, task_id: str, **_: object) -> None:
    options: _Options | None = getattr(task.app, _OPTIONS, None)
    if options is not None:
        request = vars(task.request)
        if not request.get("is_eager"):  # else this is a process of another kind, with companions of its own
            options.companions.start()
        run = _Run(_block(task, task_id, request), time.perf_counter())
        run.block.__enter__()
        request[_RUN] = run


def _end(task: Any, task_id: str, state: str | None, **_: object) -> None:
    request = vars(task.request)
    run = request.pop(_RUN, None)
    if run is None:
        return
    try:
        if state is None and request.get("is_eager"):
            state = states.FAILURE  # the caller gets the exception itself
        if state is not None:  # else its process is ending, and the worker's main process tells it
            duration_ms = round((time.perf_counter() - run.began) * 1000, 3)
            _log_run(task, task_id, state=state, duration_ms=duration_ms)
    finally:
        run.block.__exit__(None, None, None)


def _fail(sender: Any, task_id: str, exception: Any, **_: object) -> None:
    """In the process of the task; or in the main one, of a task whose process died or was killed for its time."""
    if not hasattr(sender.app, _OPTIONS) or isinstance(exception, (Reject, *(sender.throws or ()))):
        return  # what a task says it throws, Celery logs as information
    if _RUN in vars(sender.request):
        _log_failure(sender, task_id, sys.exc_info()[1] or exception)
    elif (request := _received.pop(task_id, None)) is not None:  # of a task killed for its time Celery tells twice
        with _block(sender, task_id, request.request_dict):
            _log_failure(sender, task_id, exception)
            _log_run(sender, task_id, state=states.FAILURE)
    once.mark(exception)


def _block(task: Any, task_id: str, request: Mapping[str, Any]) -> LoggingContext:
    """The context of a task. Without a trace id from anywhere, all tasks of a workflow share the id of its root."""
    fields = carrier.incoming(request.get(HEADER))
    if "trace_id" not in fields and (request.get("is_eager") is None or "trace_id" not in context.fields()):
        root = str(request.get("root_id") or task_id).replace("-", "")
        if well_formed(root):
            fields["trace_id"] = root
    attempt = (request.get("retries") or 0) + 1
    return LoggingContext(**fields | {"task_id": task_id, "task_name": task.name, "attempt": attempt})


def _log_run(task: Any, task_id: str, **fields: Any) -> None:
    options: _Options = getattr(task.app, _OPTIONS)
    options.tasks.info("Task run", extra={"event": "task", "task_name": task.name, "task_id": task_id, **fields})


def _log_failure(task: Any, task_id: str, error: BaseException) -> None:
    options: _Options = getattr(task.app, _OPTIONS)
    log_unhandled(options.tasks, error, quiet=options.quiet_exceptions, task_name=task.name, task_id=task_id)
    once.mark(error)
