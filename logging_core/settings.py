"""What `init_logging` can be told: by arguments, before the environment, before a YAML file, before the defaults.

Every key is a row of `KEYS`; a key of a section, such as `files.compress`, a row of a table of its own. All mistakes
are found at once, each with the place that it came from: `FILE:LINE: key`, the variable, or the argument.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from logging_core import config_file
from logging_core.buffers.overflow import OVERFLOWS, Overflow
from logging_core.config_file import Document, Location
from logging_core.errors import ConfigError
from logging_core.redaction import PLACEHOLDER
from logging_core.storage.packing import Compression
from logging_core.storage.rotation import MAX_BACKUPS

DEFAULT_FILE = Path("config/logging.yaml")
OFF = "OFF"  #: a console level at which nothing is shown

Check = Callable[[Any], Any]  #: the value as it is meant; raises ValueError


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How records reach the workers; see `RedisStreamHandler`."""

    url: str | None = None
    buffer: Literal["spool", "memory"] = "spool"
    overflow: Overflow = "drop_newest"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What becomes of the files, beside their size."""

    interval: float | None = None  #: seconds; sealed when a period ends too, counted from 1970, UTC
    daily: bool = False  #: sealed at midnight too, UTC
    compress: Compression = "none"  #: of sealed files
    max_age: float | None = None  #: seconds since its last line, after which a sealed file goes
    max_total_bytes: int | None = None  #: of the folder; the oldest sealed files go


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """What is taken out on top of what `Redactor` takes out by default."""

    enabled: bool = True
    keys: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    placeholder: str = PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, checked. The names are the arguments of `init_logging` and the keys of the file."""

    log_level: int = logging.INFO  #: of the root logger
    log_dir: Path = Path("logs")
    queue_size: int = 10_000  #: records that may wait to be written
    max_bytes: int = 10 * 1024 * 1024  #: a file is sealed at this size
    backup_count: int = 7  #: sealed files that are kept
    console_level: int | None = logging.INFO  #: None: nothing is shown
    file_level: int = logging.DEBUG  #: of what is kept, in files or by way of Redis
    enable_ai_handler: bool = True  #: whether the channel `ai_responses` has a file of its own
    ai_max_bytes: int = 100 * 1024 * 1024
    ai_backup_count: int = 30
    enabled: bool = True  #: USE_UNIFIED_LOGGING; False: the application's own set-up stays as it is
    destination: Literal["files", "redis"] = "files"
    service: str | None = None
    call_site: bool = True  #: whether records have module, function and line
    redis: RedisSettings = RedisSettings()
    files: FileSettings = FileSettings()
    redaction: RedactionSettings = RedactionSettings()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    export: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    resources: float | None = None  #: seconds between two samples of the host's and the process's resources


def level(value: Any) -> int:
    """A level by its name or number."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() else logging.getLevelNamesMapping().get(value.upper(), value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"is a level such as INFO or 20, not {value!r}")
    return value


def _console_level(value: Any) -> int | None:
    # YAML reads OFF as False.
    return None if value is False or (isinstance(value, str) and value.upper() == OFF) else level(value)


def flag(value: Any) -> bool:
    """True or false, as people write it in files and variables."""
    text = str(value).lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"is true or false, not {value!r}")


def _integer(least: int, most: int | None = None) -> Check:
    bounds = f"at least {least}" if most is None else f"{least} to {most}"

    def check(value: Any) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
            raise ValueError(f"is a whole number of {bounds}, not {value!r}")
        return value

    return check


def _seconds(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf") or isinstance(value, bool):
        raise ValueError(f"is a number above 0, not {value!r}")
    return number


def _period(value: Any) -> float:
    seconds = _seconds(value)
    if seconds < 1:
        raise ValueError(f"is at least 1 second, not {value!r}")
    return seconds


def _path(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError(f"is the name of a folder, not {value!r}")
    return Path(os.fspath(value))


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        name = "none" if value is None else value
        if name not in choices:
            raise ValueError(f"is one of {', '.join(choices)}, not {value!r}")
        return str(name)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"is a text, not {value!r}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(
        isinstance(item, str) and item for item in value
    ):
        raise ValueError(f"is a list of texts, not {value!r}")
    return tuple(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"is a section of keys and values, not {value!r}")
    return value


KEYS: dict[str, Check] = {
    "log_level": level,
    "log_dir": _path,
    "queue_size": _integer(1),
    "max_bytes": _integer(1),
    "backup_count": _integer(1, MAX_BACKUPS),
    "console_level": _console_level,
    "file_level": level,
    "enable_ai_handler": flag,
    "ai_max_bytes": _integer(1),
    "ai_backup_count": _integer(1, MAX_BACKUPS),
    "enabled": flag,
    "destination": _one_of("files", "redis"),
    "service": _text,
    "call_site": flag,
    "resources": _seconds,
    "redis": _mapping,
    "files": _mapping,
    "redaction": _mapping,
    "sampling": _mapping,
    "export": _mapping,
}
SECTIONS: dict[str, tuple[type[Any], dict[str, Check]]] = {
    "redis": (
        RedisSettings,
        {"url": _text, "buffer": _one_of("spool", "memory"), "overflow": _one_of(*OVERFLOWS)},
    ),
    "files": (
        FileSettings,
        {
            "interval": _period,
            "daily": flag,
            "compress": _one_of("none", "gzip", "zstd"),
            "max_age": _seconds,
            "max_total_bytes": _integer(1),
        },
    ),
    "redaction": (
        RedactionSettings,
        {"enabled": flag, "keys": _texts, "patterns": _texts, "allow": _texts, "placeholder": _text},
    ),
}
VARIABLES = {
    "LOG_LEVEL": "log_level",
    "LOG_DIR": "log_dir",
    "LOG_CONSOLE_LEVEL": "console_level",
    "LOG_FILE_LEVEL": "file_level",
    "LOG_QUEUE_SIZE": "queue_size",
    "USE_UNIFIED_LOGGING": "enabled",
    "LOG_ENABLE_AI_HANDLER": "enable_ai_handler",
    "LOG_DESTINATION": "destination",
    "TOCSIN_SERVICE": "service",
    "REDIS_URL": "redis.url",
}


class Mistakes(list[str]):
    """What is wrong, each with its place."""

    def __init__(self, document: Document | None = None) -> None:
        super().__init__()
        self._document = document
        self._variables: dict[str, str] = {}  # key, or section.key -> the variable that it came from
        self._arguments: set[str] = set()

    def came_from(self, key: str, *, variable: str | None = None) -> None:
        """This key is from a variable, or else an argument."""
        if variable:
            self._variables[key] = variable
        else:
            self._arguments.add(key)

    @contextmanager
    def at(self, *key: str | int) -> Iterator[None]:
        """What cannot be used, is not there or is not installed, in this block, is this key's mistake."""
        try:
            yield
        except OSError as error:
            self.add(key, f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except (TypeError, ValueError, ImportError) as error:
            self.add(key, str(error).removeprefix(f"{key[0]}: "))

    def add(self, location: Location, message: str) -> None:
        """Note a mistake at a place."""
        key = str(location[0]) if location else ""
        if variable := self._variables.get(config_file.dotted(location)):
            self.append(f"{variable}: {message}")
        elif self._document is not None and key not in self._arguments:
            self.append(self._document.mistake(location, message))
        else:
            self.append(f"{config_file.dotted(location)}: {message}")


def resolve(
    arguments: Mapping[str, Any], document: Document | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[Settings, Mistakes]:
    """The settings, and where each of their mistakes would be said to be; an argument that is None is not given.

    Raises:
        ConfigError: naming every mistake.
    """
    mistakes = Mistakes(document)
    given = dict(document.data) if document else {}
    for key, value in arguments.items():
        if value is not None:
            given[key] = value
            mistakes.came_from(key)
    for variable, key in VARIABLES.items():
        if (text := environment.get(variable)) and not _is_given(key, arguments):
            _give(key, text, given)
            mistakes.came_from(key, variable=variable)
    checked = _checked(given, KEYS, (), mistakes)
    for name, (kind, keys) in SECTIONS.items():
        if name in checked:
            checked[name] = kind(**_checked(checked[name], keys, (name,), mistakes))
    if mistakes:
        raise ConfigError(mistakes)
    return Settings(**checked), mistakes


def load_config(path: str | os.PathLike[str] = DEFAULT_FILE) -> dict[str, Any]:
    """The mapping in a YAML file, checked; `init_logging(**load_config(path))` uses it.

    Raises:
        ConfigError: naming the file, the line and the key of every mistake.
    """
    document = config_file.read(Path(path))
    resolve({}, document, environment={})
    return document.data


def _is_given(key: str, arguments: Mapping[str, Any]) -> bool:
    section, _, name = key.rpartition(".")
    place = arguments.get(section) if section else arguments
    return isinstance(place, Mapping) and place.get(name) is not None


def _give(key: str, text: str, given: dict[str, Any]) -> None:
    section, _, name = key.rpartition(".")
    if not section:
        given[name] = text
    elif isinstance(place := given.get(section) or {}, Mapping):  # what is none is a mistake, told by its own name
        given[section] = {**place, name: text}


def _checked(
    given: Mapping[str, Any], keys: Mapping[str, Check], above: Location, mistakes: Mistakes
) -> dict[str, Any]:
    checked = {}
    for key, value in given.items():
        if key not in keys:
            mistakes.add((*above, key), "unknown key")
        elif value is not None:  # a key without a value: the default
            try:
                checked[key] = keys[key](value)
            except ValueError as error:
                mistakes.add((*above, key), str(error))
    return checked
