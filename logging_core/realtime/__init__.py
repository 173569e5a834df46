"""The realtime log: `log_realtime({...})`, `@realtime_log("operation")`, and loggers with files of their own.

`RealtimeLogger` takes entries and `AsyncLogWriter` writes them; `RealtimeLogIntegrator` hands entries to the pipeline
where there is one, and to a `RealtimeLogger` elsewhere.
"""

from logging_core.realtime.decorator import realtime_log
from logging_core.realtime.integration import RealtimeLogIntegrator, get_log_integrator, log_realtime
from logging_core.realtime.logger import RealtimeLogger, get_realtime_logger
from logging_core.realtime.writer import AsyncLogWriter

__all__ = [
    "AsyncLogWriter",
    "RealtimeLogIntegrator",
    "RealtimeLogger",
    "get_log_integrator",
    "get_realtime_logger",
    "log_realtime",
    "realtime_log",
]
