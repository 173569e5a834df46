"""Setting logging up, and taking it down: one handler on the root logger, so that everybody's records go one way.

destination "files"   root -> queue -> thread -> LOG_DIR/app.log, errors.log, <channel>.log
destination "redis"   root -> spool -> shipper -> Redis -> the workers' files
console               root -> a queue and a thread of its own -> stderr, whatever becomes of the rest
"""

import atexit
import logging
import os
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

from logging_core import config_file, settings
from logging_core.background import BackgroundHandler, Sink
from logging_core.console import ConsoleSink
from logging_core.errors import ConfigError
from logging_core.fanout import Fanout
from logging_core.line_handler import LineHandler
from logging_core.logger import UnifiedLogger, get_logger
from logging_core.record import Encoder
from logging_core.redaction import Redactor
from logging_core.redaction.secret_keys import DEFAULT_KEYS, SecretKeys
from logging_core.redaction.secret_patterns import DEFAULT_PATTERNS, Pattern
from logging_core.service import service_name
from logging_core.settings import Mistakes, RedactionSettings, Settings
from logging_core.storage.file_sink import FileSink, standard_routes
from logging_core.storage.packing import format_named
from logging_core.storage.retention import Retention
from logging_core.storage.rotation import DAY, Rotation

if TYPE_CHECKING:
    from logging_core.sampling import Sampler

_GRACE = 0.1  # seconds, for a thread that has found our handler on the root logger, and not yet called it
_lock = RLock()
_installed: "tuple[LineHandler, int] | None" = None  # our handler on the root logger, and the root's level before


class UnifiedLoggerFactory:
    """Sets logging up for the process; whoever initializes later takes the place of who did before."""

    def initialize(self, *arguments: Any, **named: Any) -> "UnifiedLoggerFactory":
        """As `init_logging`."""
        return init_logging(*arguments, **named)

    def get_logger(self, name: str | None = None) -> UnifiedLogger:
        """The logger of this name."""
        return get_logger(name)

    def shutdown(self) -> None:
        """As `shutdown_logging`."""
        shutdown_logging()


def init_logging(
    log_level: int | str | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    queue_size: int | None = None,
    max_bytes: int | None = None,
    backup_count: int | None = None,
    console_level: int | str | None = None,
    file_level: int | str | None = None,
    enable_ai_handler: bool | None = None,  # noqa: FBT001  # the order and the names are documented
    ai_max_bytes: int | None = None,
    ai_backup_count: int | None = None,
    *,
    destination: Literal["files", "redis"] | None = None,
    service: str | None = None,
    call_site: bool | None = None,
    redis: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
    redaction: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    export: Mapping[str, Any] | None = None,
    resources: float | None = None,
    enabled: bool | None = None,
) -> UnifiedLoggerFactory:
    """Have all records of the process, also those of `logging.getLogger`, kept; again: with new settings.

    What is not given comes from the environment, else from the defaults: see settings.py, which has one line for each
    argument, and `logging.yaml`.

    Raises:
        ConfigError: naming every argument, variable and folder that will not do.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    return _initialize(*settings.resolve(given))


def init_logging_from_config(
    path: str | os.PathLike[str] = settings.DEFAULT_FILE, **arguments: Any
) -> UnifiedLoggerFactory:
    """The same from a YAML file; variables of the environment win over it, arguments over both.

    Raises:
        ConfigError: naming the file, the line and the key of every mistake.
    """
    return _initialize(*settings.resolve(arguments, config_file.read(Path(path))))


def shutdown_logging() -> None:
    """Write what waits, within some seconds, and leave the root logger as it was. Again: does nothing.

    It happens by itself when the interpreter ends.
    """
    global _installed
    with _lock:
        if _installed is None:
            return
        handler, level = _installed
        _installed = None
        root = logging.getLogger()
        root.removeHandler(handler)
        root.setLevel(level)
    _stop_resource_sampler()
    _retire(handler)


def is_initialized() -> bool:
    """Whether `init_logging` is in force: nobody has taken its handler off the root logger since."""
    installed = _installed
    return installed is not None and installed[0] in logging.getLogger().handlers


def encoder() -> Encoder | None:
    """What makes the lines of records now; None where logging is not set up."""
    installed = _installed
    return installed[0].encoder if installed else None


def stats() -> dict[str, Any]:
    """The counts of this process (`BackgroundHandler.stats`, or `RedisStreamHandler.stats`): of files, or of Redis.

    The console and exporters have theirs below `beside`; what sampling dropped stands below `sampled`, by rule. Empty
    where logging is not set up.
    """
    installed = _installed
    if installed is None:
        return {}
    handler, _ = installed
    sampled = {} if handler.sampler is None else {"sampled": dict(handler.sampler.sampled)}
    return {**handler.stats(), **sampled}


def _initialize(chosen: Settings, mistakes: Mistakes) -> UnifiedLoggerFactory:
    global _installed
    with _lock:
        handler = _built(chosen, mistakes) if chosen.enabled else None  # what raises leaves all as it was
        if handler is None:
            shutdown_logging()
            return UnifiedLoggerFactory()
        root, before = logging.getLogger(), _installed
        _installed = handler, before[1] if before else root.level
        _mark(handler, installed=True)
        # In one step: whatever other threads log meanwhile is taken by one of the two.
        root.handlers = [*(each for each in root.handlers if not before or each is not before[0]), handler]
        root.setLevel(chosen.log_level)
        _stop_resource_sampler()
        if chosen.resources is not None:
            resources = import_module("logging_core.resources")
            resources.start_resource_sampler(chosen.resources, name=handler.encoder.service, disk=chosen.log_dir)
    if before:
        time.sleep(_GRACE)
        _retire(before[0])
    return UnifiedLoggerFactory()


def _retire(handler: LineHandler) -> None:
    """Have what it holds written, and close it."""
    handler.tell_repeated(at_once=True)
    _mark(handler, installed=False)
    handler.close()


def _stop_resource_sampler() -> None:
    if "logging_core.resources" in sys.modules:
        sys.modules["logging_core.resources"].stop_resource_sampler()


def _mark(handler: LineHandler, *, installed: bool) -> None:
    for each in (handler, *(handler.outputs if isinstance(handler, Fanout) else ())):
        each.installed = installed


def _built(chosen: Settings, mistakes: Mistakes) -> LineHandler:
    """The one handler for the root logger.

    Raises:
        ConfigError: something that only shows when it is made.
    """
    name, sampler, outputs = "", None, list[LineHandler]()
    with mistakes.at("service"):
        name = service_name(chosen.service)
    encoder = Encoder(name, redactor=_redactor(chosen.redaction, mistakes), call_site=chosen.call_site)
    with mistakes.at("resources"):
        if chosen.resources is not None:
            import_module("logging_core.resources")  # psutil is an extra
    with mistakes.at("sampling"):
        sampler = _sampler(chosen.sampling) if chosen.sampling else None
    if not mistakes:
        outputs = _outputs(chosen, encoder, mistakes)
    if mistakes:
        for output in outputs:
            output.close()
        raise ConfigError(mistakes)
    if len(outputs) == 1:
        outputs[0].encoder, outputs[0].sampler = encoder, sampler
        return outputs[0]
    return Fanout(outputs, encoder, sampler)


def _outputs(chosen: Settings, encoder: Encoder, mistakes: Mistakes) -> list[LineHandler]:
    """Where records go: at least one place, unless there are mistakes."""
    outputs: list[LineHandler] = []
    if chosen.destination == "redis":
        with mistakes.at("redis", "url"):  # the rest was checked already
            from logging_core.handlers import RedisStreamHandler  # who writes files needs nothing of it

            redis = chosen.redis
            outputs.append(
                RedisStreamHandler(
                    redis.url,
                    encoder.service,
                    redis.buffer,
                    overflow=redis.overflow,
                    max_records=chosen.queue_size,
                    level=chosen.file_level,
                )
            )
    else:
        with mistakes.at("log_dir"):
            if (file_sink := _file_sink(chosen, mistakes)) is not None:
                outputs.append(_queued(file_sink, chosen, encoder, chosen.file_level))
    if chosen.console_level is not None:
        outputs.append(_queued(ConsoleSink(), chosen, encoder, chosen.console_level))
    if chosen.export:
        from logging_core.export.settings import handlers  # which brings requests

        outputs += handlers(chosen.export, encoder, lambda place, said: mistakes.add(("export", *place), said))
    return outputs


def _queued(sink: Sink, chosen: Settings, encoder: Encoder, level: int) -> BackgroundHandler:
    return BackgroundHandler(sink, encoder, max_records=chosen.queue_size, level=level)


def _file_sink(chosen: Settings, mistakes: Mistakes) -> FileSink | None:
    """The files in process; None: there are mistakes in what was chosen for them.

    Raises:
        OSError: the folder cannot be written to.
    """
    files = chosen.files
    interval = DAY if files.daily else files.interval
    with mistakes.at("files"):
        if files.daily and files.interval is not None:
            raise ValueError("daily and interval: only one of them")
        rotation = Rotation(chosen.max_bytes, chosen.backup_count, interval)
        ai_rotation = Rotation(chosen.ai_max_bytes, chosen.ai_backup_count, interval)
        retention = Retention(files.max_age, files.max_total_bytes)
    with mistakes.at("files", "compress"):
        if files.compress != "none":
            format_named(files.compress)
    if mistakes:
        return None
    ai = ai_rotation if chosen.enable_ai_handler else None
    routes = standard_routes(rotation, chosen.file_level, ai_rotation=ai)
    return FileSink(chosen.log_dir, routes, compress=files.compress, retention=retention)


def _sampler(chosen: Mapping[str, Any]) -> "Sampler":
    """Of this section.

    Raises:
        ValueError: naming what will not do.
    """
    from logging_core.sampling import Sampler, Sampling

    return Sampler(Sampling.from_mapping(chosen))


def _redactor(chosen: RedactionSettings, mistakes: Mistakes) -> Redactor | None:
    """Those rules that ship, with the keys and patterns that were chosen on top; None where there are mistakes."""
    patterns = [*DEFAULT_PATTERNS]
    for index, regex in enumerate(chosen.patterns):
        with mistakes.at("redaction", "patterns", index):
            patterns.append(Pattern(regex))
    for section, names in (("keys", chosen.keys), ("allow", chosen.allow)):
        for index, name in enumerate(names):
            with mistakes.at("redaction", section, index):
                SecretKeys((name,))
    if mistakes or not chosen.enabled:
        return None
    return Redactor((*DEFAULT_KEYS, *chosen.keys), patterns, chosen.allow, chosen.placeholder)


class _LastWords(logging.Handler):
    """Made when the interpreter begins to end: `logging`'s own exit function closes it.

    That one runs behind all that were registered since `logging` was imported, so what those log is kept, too.
    """

    def close(self) -> None:
        shutdown_logging()
        super().close()


_last_words: list[_LastWords] = []


def _after_fork() -> None:
    global _lock
    _lock = RLock()  # a thread that is not here may have held it


atexit.register(lambda: _last_words.append(_LastWords()))
os.register_at_fork(after_in_child=_after_fork)
