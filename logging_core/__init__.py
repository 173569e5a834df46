"""All that an application imports. Names are imported when they are asked for: an application pays for what it uses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logging_core.context import LoggingContext as LoggingContext
    from logging_core.errors import ConfigError as ConfigError
    from logging_core.handlers import RedisStreamHandler as RedisStreamHandler
    from logging_core.legacy import api_logger as api_logger
    from logging_core.legacy import app_logger as app_logger
    from logging_core.lifecycle import UnifiedLoggerFactory as UnifiedLoggerFactory
    from logging_core.lifecycle import init_logging as init_logging
    from logging_core.lifecycle import init_logging_from_config as init_logging_from_config
    from logging_core.lifecycle import shutdown_logging as shutdown_logging
    from logging_core.logger import UnifiedLogger as UnifiedLogger
    from logging_core.logger import get_logger as get_logger
    from logging_core.settings import load_config as load_config

_HOMES = {
    "ConfigError": "errors",
    "LoggingContext": "context",
    "RedisStreamHandler": "handlers",
    "UnifiedLogger": "logger",
    "UnifiedLoggerFactory": "lifecycle",
    "api_logger": "legacy",
    "app_logger": "legacy",
    "get_logger": "logger",
    "init_logging": "lifecycle",
    "init_logging_from_config": "lifecycle",
    "load_config": "settings",
    "shutdown_logging": "lifecycle",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  # a list, sorted


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
