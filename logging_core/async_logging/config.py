"""What `setup_async_logging` can be told, as one component's section of a configuration file."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Literal

from logging_core.async_logging.config_loader import ConfigLoader
from logging_core.errors import ConfigError

Rotate = Literal["interval", "size"]


@dataclass
class AsyncLoggingConfig:
    """How a component logs; the defaults are those of `setup_async_logging`."""

    level: str | int = "INFO"
    queue_max: int = 10_000  #: records that may wait
    rotate: Rotate = "interval"
    rotate_sec: float = 60.0  #: with "interval": seconds from one rotation to the next
    max_bytes: int = 5_000_000  #: with "size": of the file
    backups: int = 7  #: rotated files that are kept
    to_console: bool = True

    def get_log_level(self) -> int:
        """The level as a number.

        Raises:
            ValueError: there is no level of that name.
        """
        return level_number(self.level)


#: In the file the level is called `log_level`.
_KEYS = {"log_level" if field.name == "level" else field.name: field for field in fields(AsyncLoggingConfig)}


class AsyncLoggingConfigLoader:
    """Reads the section `<component>.logging`."""

    def __init__(self, config_loader: ConfigLoader) -> None:
        self.config_loader = config_loader

    def load_config(self, component: str = "websocket") -> AsyncLoggingConfig:
        """A component's configuration; what its section does not name, or a section that is not there, is the default.

        Raises:
            ConfigError: every key that is unknown or cannot be used, with its file and line or its variable.
        """
        section = self.config_loader.get(f"{component}.logging", {})
        if not isinstance(section, dict):
            raise ConfigError([self._mistake(f"{component}.logging", "must be a section")])
        place = f"{component}.logging."
        mistakes = [
            self._mistake(f"{place}{key}", f"unknown key; there are {', '.join(_KEYS)}")
            for key in section
            if key not in _KEYS
        ]
        values: dict[str, Any] = {}
        for key, field in _KEYS.items():
            try:
                value = values[field.name] = self.config_loader.get(f"{place}{key}", field.default)
            except ConfigError as error:
                mistakes += error.mistakes
                continue
            if message := mistake_in(field.name, value):
                mistakes.append(self._mistake(f"{place}{key}", message))
        if mistakes:
            raise ConfigError(mistakes)
        return AsyncLoggingConfig(**values)

    def _mistake(self, key: str, message: str) -> str:
        return self.config_loader.mistake(key, message)


def mistake_in(name: str, value: Any) -> str | None:
    """What is wrong with the value of a field of `AsyncLoggingConfig`; None: nothing."""
    is_right, what = _CHECKS[name]
    return None if is_right(value) else f"must be {what}, not {str(value)[:40]!r}"


def level_number(level: str | int) -> int:
    """The number of a level, by number or by name in any case.

    Raises:
        ValueError: there is no level of that name.
    """
    if not _is_level(level):
        raise ValueError(f"level: {mistake_in('level', level)}")
    if isinstance(level, int) or level.isdecimal():
        return int(level)
    return logging.getLevelNamesMapping()[level.upper()]


def _is_level(value: Any) -> bool:
    if isinstance(value, str):
        return value.isdecimal() or value.upper() in logging.getLevelNamesMapping()
    return _at_least(0)(value)


def _at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value >= 1


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "level": (_is_level, "a level: DEBUG, INFO, WARNING, ERROR, CRITICAL, or a number"),
    "queue_max": (_at_least(1), "a whole number of at least 1"),
    "rotate": (lambda value: value in ("interval", "size"), "'interval' or 'size'"),
    "rotate_sec": (_is_duration, "a number of seconds, at least 1"),
    "max_bytes": (_at_least(1), "a whole number of at least 1"),
    "backups": (lambda value: type(value) is int and 1 <= value <= 999, "a whole number, 1 to 999"),
    "to_console": (lambda value: type(value) is bool, "true or false"),
}
