"""`app_logger` and `api_logger`, for code that was written against an older logging module of the application's own.

With `USE_UNIFIED_LOGGING=false` they are the standard library's loggers, else `UnifiedLogger`s. Both are asked for when
they are imported.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

from logging_core.errors import ConfigError
from logging_core.logger import get_logger
from logging_core.settings import flag

if TYPE_CHECKING:
    from logging_core.logger import UnifiedLogger

    app_logger: UnifiedLogger
    api_logger: UnifiedLogger

_NAMES = {"app_logger": "app", "api_logger": "api"}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        unified = flag(os.environ.get("USE_UNIFIED_LOGGING") or "true")
    except ValueError as error:
        raise ConfigError([f"USE_UNIFIED_LOGGING: {error}"]) from None
    return (get_logger if unified else logging.getLogger)(_NAMES[name])
