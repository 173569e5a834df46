"""Setting logging up, and taking it down: one handler of ours on the root logger, so that everybody's records go one way.

    destination "files"   root -> queue -> thread -> LOG_DIR/app.log, errors.log, <channel>.log, and the console
    destination "redis"   root -> spool -> shipper -> Redis -> the workers' files; and the console beside it
"""

import atexit
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from logging_core import config_file, settings
from logging_core.background import BackgroundHandler
from logging_core.console import ConsoleSink
from logging_core.errors import ConfigError
from logging_core.fanout import Fanout
from logging_core.file_sink import FileSink
from logging_core.handlers import RedisStreamHandler, service_name
from logging_core.line_handler import LineHandler
from logging_core.logger import UnifiedLogger, get_logger
from logging_core.record import Encoder
from logging_core.redaction import Redactor
from logging_core.sampling import Sampler, Sampling
from logging_core.settings import Mistakes, Settings


class UnifiedLoggerFactory:
    """Sets logging up for the process, once; whoever initializes later takes the place of who did before."""

    def initialize(self, *, config: config_file.Document | None = None, **arguments: Any) -> "UnifiedLoggerFactory":
        """As `init_logging`."""
        chosen, mistakes = settings.resolve(arguments, config)
        with _lock:
            self.shutdown()
            if chosen.enabled:
                _install(_built(chosen, mistakes), chosen)
        return self

    def get_logger(self, name: str | None = None) -> UnifiedLogger:
        """The logger of this name."""
        return get_logger(name)

    def shutdown(self) -> None:
        """As `shutdown_logging`."""
        shutdown_logging()
