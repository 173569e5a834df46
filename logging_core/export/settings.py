"""The `export:` of a configuration file: which exporters there are, and all mistakes in it at once.

    export:
      loki: {url: "http://loki:3100", labels: {env: production}}
      sentry: {dsn_file: /run/secrets/sentry, level: INFO}

A key `NAME_file` names a file that holds the value of `NAME`.
"""

import importlib
import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from logging_core.config_file import Location
from logging_core.export.exporter import Exporter
from logging_core.export.handler import ExportHandler
from logging_core.record import Encoder

#: The exporters by their keys: the module, and the sink in it.
EXPORTERS = {
    "loki": ("logging_core.export.loki", "LokiSink"),
    "elasticsearch": ("logging_core.export.elasticsearch", "ElasticsearchSink"),
    "sentry": ("logging_core.export.sentry", "SentrySink"),
    "opentelemetry": ("logging_core.export.opentelemetry", "OpenTelemetrySink"),
}
AddMistake = Callable[[Location, str], None]
_FOR_THE_HANDLER: dict[str, Any] = {"level": int | str, "max_records": int}
_PLAIN = {str: "a text", int: "a whole number", bool: "true or false"}


def handlers(export: Mapping[str, Any], encoder: Encoder, add_mistake: AddMistake) -> list[ExportHandler]:
    """A handler for each exporter that is named, save those with mistakes.

    Args:
        export: what stands below `export:`; each exporter's keys are its sink's arguments, `level` and `max_records`.
        encoder: makes lines of records, for all of them.
        add_mistake: is told of every mistake: its place, such as `("loki", "url")`, and what is wrong there.
    """
    made: list[ExportHandler] = []
    for name, settings in export.items():
        if name not in EXPORTERS:
            add_mistake((name,), f"unknown; there are {', '.join(EXPORTERS)}")
        elif not isinstance(settings, Mapping):
            add_mistake((name,), "must be a mapping")
        else:
            made += _made(name, settings, encoder, lambda place, what: add_mistake((name, *place), what))  # noqa: B023
    return made


def _made(name: str, settings: Mapping[str, Any], encoder: Encoder, add_mistake: AddMistake) -> list[ExportHandler]:
    module, sink = EXPORTERS[name]
    try:
        make: Callable[..., Exporter] = getattr(importlib.import_module(module), sink)
    except ImportError as error:
        add_mistake((), str(error))
        return []
    values, mistakes = _read(settings, make)
    if not mistakes:
        own = {key: values.pop(key) for key in _FOR_THE_HANDLER if key in values}
        try:
            return [ExportHandler(make(**values), encoder, **own)]
        except ValueError as error:
            mistakes = [str(error)]
    for mistake in mistakes:
        key, separator, what = mistake.partition(": ")
        add_mistake(tuple(key.split(".", 1)) if separator else (), what if separator else mistake)
    return []


def _read(settings: Mapping[str, Any], make: Callable[..., Exporter]) -> tuple[dict[str, Any], list[str]]:
    """The arguments for `make` and for the handler, and what is wrong with them: `key: ...`."""
    hints = {name: hint for name, hint in get_type_hints(make.__init__).items() if name != "return"}
    hints |= _FOR_THE_HANDLER
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for key, value in settings.items():
        name = str(key).removesuffix("_file") if key not in hints else str(key)
        if name not in hints:
            mistakes.append(f"{key}: unknown; there are {', '.join(hints)}")
            continue
        if name in values:
            mistakes.append(f"{key}: {name} is given twice")
        if name != key:
            value = _content(value, key, mistakes)
        elif wanted := _wanted(value, hints[name]):
            mistakes.append(f"{key}: must be {wanted}")
        values[name] = value
    level = values.get("level", logging.NOTSET)
    if isinstance(level, str) and level not in logging.getLevelNamesMapping():
        mistakes.append(f"level: {level!r} is no level")
    required = [each.name for each in inspect.signature(make).parameters.values() if each.default is each.empty]
    mistakes += [f"{name}: is missing" for name in required if name not in values]
    return values, mistakes


def _content(path: Any, key: str, mistakes: list[str]) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        mistakes.append(f"{key}: cannot read {path}: {error.strerror}")
    except (TypeError, ValueError):
        mistakes.append(f"{key}: must be the path of a text file")
    return ""


def _wanted(value: Any, hint: Any) -> str:
    """What the value should be, if it is not; never what it is, which may be secret."""
    allowed = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if any(_fits(value, each) for each in allowed):
        return ""
    return " or ".join(_PLAIN.get(each, "a mapping of texts") for each in allowed if each is not NoneType)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Mapping:
        return isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
