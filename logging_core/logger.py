"""`UnifiedLogger`: a standard logger that takes fields as keywords, and is faster where only our handlers listen.

Whatever the application has set up with the standard library is honoured: levels, filters, handlers, propagation,
record factories, subclasses of `logging.Logger`. Where there is nothing but our handlers on the way to the root, no
`LogRecord` is made; else the call goes the standard way, and the fields are attributes of its record.
"""

import logging
import sys
from collections.abc import Mapping
from threading import current_thread
from typing import TYPE_CHECKING, Any

from logging_core import context
from logging_core.call import add_fields
from logging_core.line_handler import LineHandler

_getframe = sys._getframe
_record_factory, _own_factory = logging.getLogRecordFactory, logging.LogRecord
_SPECIFIC = ("handle", "makeRecord", "callHandlers", "filter", "findCaller")  #: methods of a logger that we go around


class UnifiedLogger:
    """A logger whose methods take fields as keywords: `logger.info("paid", user_id="user_001")`.

    `%s` arguments, `exc_info`, `stack_info`, `stacklevel` and `extra` mean what they mean in the standard library. A
    field may have any name; one that means something already is written under `extra`. Whatever else a logger of the
    standard library has (handlers, levels, `propagate`) is that of the one below.
    """

    __slots__ = ("_bound", "_is_plain", "logger")

    def __init__(self, logger: logging.Logger, bound: Mapping[str, Any] | None = None) -> None:
        kind = type(logger)
        self.logger = logger  #: the standard library's
        self._bound = bound or {}
        self._is_plain = all(getattr(kind, name) is getattr(logging.Logger, name) for name in _SPECIFIC)

    if TYPE_CHECKING:  # what `_delegated` makes; the method itself would slow each access to a slot

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def name(self) -> str:
        """Of the logger."""
        return self.logger.name

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the standard library's name
        """Whether a record of this level would go anywhere."""
        return self.logger.isEnabledFor(level)

    def bind(self, /, **fields: Any) -> "UnifiedLogger":
        """The same logger, with fields that all its records carry."""
        return UnifiedLogger(self.logger, {**self._bound, **fields})

    def getChild(self, suffix: str) -> "UnifiedLogger":  # noqa: N802  # the standard library's name
        """The logger of this name below it, with the same bound fields."""
        return UnifiedLogger(self.logger.getChild(suffix), self._bound)

    def debug(self, message: object, /, *args: Any, **fields: Any) -> None:
        """For whoever looks for a mistake."""
        if self.logger.isEnabledFor(10):
            self._log(10, message, args, fields)

    def info(self, message: object, /, *args: Any, **fields: Any) -> None:
        """What is as it should be."""
        if self.logger.isEnabledFor(20):
            self._log(20, message, args, fields)

    def warning(self, message: object, /, *args: Any, **fields: Any) -> None:
        """What is not, and does not hurt yet."""
        if self.logger.isEnabledFor(30):
            self._log(30, message, args, fields)

    def error(self, message: object, /, *args: Any, **fields: Any) -> None:
        """What has failed."""
        if self.logger.isEnabledFor(40):
            self._log(40, message, args, fields)

    def critical(self, message: object, /, *args: Any, **fields: Any) -> None:
        """What nothing works without."""
        if self.logger.isEnabledFor(50):
            self._log(50, message, args, fields)

    def exception(self, message: object, /, *args: Any, exc_info: Any = True, **fields: Any) -> None:
        """An error, with the exception that is being handled."""
        if self.logger.isEnabledFor(40):
            fields["exc_info"] = exc_info
            self._log(40, message, args, fields)

    def log(self, level: int, message: object, /, *args: Any, **fields: Any) -> None:
        """A record of any level."""
        if self.logger.isEnabledFor(level):
            self._log(level, message, args, fields)

    warn, fatal = warning, critical

    def set_trace_context(self, /, trace_id: str | None = None, span_id: str | None = None, **fields: Any) -> None:
        """From now on all records of this thread or task carry these, whoever logs them; without an id, a new one."""
        context.set_fields(trace_id=trace_id or context.new_trace_id(), span_id=span_id, **fields)

    def get_trace_context(self) -> dict[str, Any]:
        """The fields in force in this thread or task."""
        return dict(context.fields())

    def clear_trace_context(self) -> None:
        """No fields are in force any more."""
        context.clear()

    def _log(self, level: int, message: object, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        if self._bound:
            fields = {**self._bound, **fields}
        if not _STANDARD_OPTIONS.isdisjoint(fields):
            fields = _normal(fields)
            if "stacklevel" in fields or "stack_info" in fields:
                self._log_standard(level, message, args, fields)
                return
        handlers = self._own_handlers()
        if handlers is None:
            self._log_standard(level, message, args, fields)
            return
        frame = _getframe(2)
        call = (level, self.logger.name, frame.f_code, frame.f_lasti, current_thread().name)
        for handler in handlers:
            if level >= handler.level:
                handler.emit_call(call, message, args, fields)

    def _own_handlers(self) -> list[LineHandler] | None:
        """Who takes a record of this logger; None: somebody who has to see a `LogRecord`, or nobody at all."""
        logger: logging.Logger | None = self.logger
        if not self._is_plain or logger is None or logger.filters or _record_factory() is not _own_factory:
            return None
        if logger.disabled:
            return []
        found: list[LineHandler] = []
        while logger is not None:
            for handler in logger.handlers:
                if not isinstance(handler, LineHandler) or handler.filters:
                    return None
                found.append(handler)
            if not logger.propagate:
                break
            logger = logger.parent
        return found or None

    def _log_standard(self, level: int, message: object, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        logger = self.logger
        stack_info, stacklevel = bool(fields.get("stack_info")), fields.pop("stacklevel", 1)
        place = logger.findCaller(stack_info=stack_info, stacklevel=stacklevel + _OUR_FRAMES)
        path, line, function, stack = place
        record = logger.makeRecord(
            logger.name, level, path, line, message, args, fields.get("exc_info"), function, None, stack
        )
        add_fields(record, fields)
        logger.handle(record)


def get_logger(name: str | None = None) -> UnifiedLogger:
    """The logger of this name; the root's without one."""
    return UnifiedLogger(logging.getLogger(name))


def _normal(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with those of `extra` among them, and `exc_info` as it is in a record."""
    if isinstance(extra := fields.get("extra"), Mapping):
        fields = {**extra, **{name: value for name, value in fields.items() if name != "extra"}}
    if info := fields.pop("exc_info", None):
        if isinstance(info, BaseException):
            info = (type(info), info, info.__traceback__)
        elif not isinstance(info, tuple):
            info = sys.exc_info()
        fields["exc_info"] = info
    return fields


_STANDARD_OPTIONS = frozenset({"exc_info", "stack_info", "stacklevel", "extra"})
_OUR_FRAMES = 3  #: info (or its like), _log, _log_standard


def _delegated(name: str) -> property:
    def get(self: UnifiedLogger) -> Any:
        return getattr(self.logger, name)

    def set_(self: UnifiedLogger, value: Any) -> None:
        setattr(self.logger, name, value)

    return property(get, set_)


for _name in {*dir(logging.Logger), *vars(logging.getLogger())} - {*dir(UnifiedLogger)}:
    if not _name.startswith("_"):
        setattr(UnifiedLogger, _name, _delegated(_name))
