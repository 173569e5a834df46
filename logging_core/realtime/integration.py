"""The realtime log beside the pipeline: an entry is written and counted once, whichever name it came by.

Where `init_logging` has been called, an entry goes the way of all records, as one of the logger `realtime`; elsewhere
it goes to the files of the realtime log.
"""

import logging
import sys
from collections.abc import Mapping
from types import CodeType
from typing import Any

from logging_core.complaints import complain
from logging_core.errors import ConfigError
from logging_core.line_handler import LineHandler
from logging_core.realtime.entry import Entry, Intake
from logging_core.realtime.logger import LOGGER, RealtimeLogger, get_realtime_logger
from logging_core.realtime.validation import REALTIME, Schema, Validator


class RealtimeLogIntegrator:
    """Takes entries, and has each written by the one of the two that is there. It never raises.

    Args:
        enable_structured_logging: whether entries go through the pipeline where it is initialised.
        validate: whether entries that the schema does not allow are refused, and counted.
        schema: as of `RealtimeLogger`.
        realtime_logger: for what does not go through the pipeline; by default the process's own, made when it is
            needed.

    Raises:
        ConfigError: the schema cannot be used.
    """

    def __init__(
        self,
        enable_structured_logging: bool = True,  # noqa: FBT001, FBT002  # callers name it
        validate: bool = True,  # noqa: FBT001, FBT002
        *,
        schema: Schema = REALTIME,
        realtime_logger: RealtimeLogger | None = None,
    ) -> None:
        self.enable_structured_logging = enable_structured_logging
        self._intake = Intake(LOGGER, Validator(schema) if validate else None)
        self._realtime = realtime_logger

    def log(self, entry: Mapping[str, Any]) -> bool:
        """Take an entry; whether it was taken. What the pipeline's levels leave out was not."""
        frame = sys._getframe(1)
        return self.take(entry, frame.f_code, frame.f_lasti)

    def take(self, entry: Mapping[str, Any], code: CodeType, instruction: int = 0) -> bool:
        """The same, for an entry that is logged somewhere else: at this instruction of this code."""
        taken = self._intake.read(entry, code, instruction)
        if taken is None:
            return False
        try:
            if self.enable_structured_logging and _pipeline_is_on():
                return self._to_pipeline(taken)
            return self._realtime_logger().take(taken)
        except Exception as error:  # noqa: BLE001  # a handler of the application's, a folder that cannot be made
            self._fail(error)
            return False

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was taken has gone where it goes, as `RealtimeLogger.flush` and the pipeline's handlers do.

        Returns:
            Whether it has, as far as handlers of ours can tell.
        """
        flushed = [self._realtime.flush(timeout)] if self._realtime is not None else []
        logger: logging.Logger | None = logging.getLogger(LOGGER) if _pipeline_is_on() else None
        while logger is not None:
            flushed += [self._flush(handler, timeout) for handler in logger.handlers]
            logger = logger.parent if logger.propagate else None
        return all(flushed)

    def _flush(self, handler: logging.Handler, timeout: float | None) -> bool:
        try:
            if isinstance(handler, LineHandler):
                return handler.flush(timeout)
            handler.flush()
        except Exception as error:  # noqa: BLE001  # a handler of the application's
            self._fail(error)
            return False
        return True

    def get_stats(self) -> dict[str, Any]:
        """The counts of this process; a forked child counts anew.

        Returns:
            `structured`: handed to the pipeline; `filtered`: left out by its levels; `invalid`; `error`: could not be
            read or handed over; `realtime`: what `RealtimeLogger.get_stats` says, or None while it is not needed.
        """
        counts = {name: self._intake.counts[name] for name in ("structured", "filtered", "invalid", "error")}
        return {**counts, "realtime": self._realtime.get_stats() if self._realtime else None}

    def _to_pipeline(self, entry: Entry) -> bool:
        logger = logging.getLogger(LOGGER)
        enabled = logger.isEnabledFor(entry.call[0])
        if enabled:
            logger.handle(entry.record(logger))
        self._intake.count("structured" if enabled else "filtered")
        return enabled

    def _realtime_logger(self) -> RealtimeLogger:
        if self._realtime is None:
            self._realtime = get_realtime_logger()
        return self._realtime

    def _fail(self, error: Exception) -> None:
        if self._intake.count("error") == 1:
            text = str(error) if isinstance(error, ConfigError) else type(error).__name__
            complain(f"entries of the log {LOGGER} are lost, and counted: {text}")


_PROCESS: dict[str, RealtimeLogIntegrator] = {}


def get_log_integrator() -> RealtimeLogIntegrator:
    """The process's own, with the defaults."""
    return _PROCESS.get("own") or _PROCESS.setdefault("own", RealtimeLogIntegrator())


def log_realtime(entry: Mapping[str, Any]) -> bool:
    """Log an entry by the process's own integrator; whether it was taken."""
    frame = sys._getframe(1)
    return get_log_integrator().take(entry, frame.f_code, frame.f_lasti)


def _pipeline_is_on() -> bool:
    """Whether `init_logging` has been called: without its module it cannot have been."""
    lifecycle = sys.modules.get("logging_core.lifecycle")
    return lifecycle is not None and bool(lifecycle.is_initialized())
