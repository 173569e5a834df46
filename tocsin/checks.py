"""The start-up checks: every mistake in every configuration file, told before anything starts."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from alerts import config
from recovery import runbook
from rules import loader, patterns, yaml_file
from rules.errors import ConfigError
from tasks import settings
from tasks.settings import Settings


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: naming the file and line, or the environment variable, of every mistake.
    """
    try:
        return settings.load()
    except ValidationError as error:
        mistakes = [_settings_mistake(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
        raise ConfigError(mistakes) from None  # the error's own text quotes values, which may be secret
    except SettingsError as error:
        raise ConfigError([str(error)]) from None


def mistakes(of: Settings) -> list[str]:
    """What is wrong in the files that the settings name, one line each; empty: nothing."""
    readers: list[Callable[[], Any]] = [
        lambda: loader.load_rules(of.rules.files),
        lambda: of.alerts.config and config.load(of.alerts.config),
        patterns.load_patterns,
        lambda: runbook.load_runbooks(of.recovery.runbooks),
    ]
    return [mistake for read in readers for mistake in _mistakes_of(read)]


def _mistakes_of(read: Callable[[], Any]) -> Iterator[str]:
    try:
        read()
    except ConfigError as error:
        yield from error.mistakes


def _settings_mistake(location: tuple[int | str, ...], message: str) -> str:
    message = "unknown key" if message == "Extra inputs are not permitted" else message.removeprefix("Value error, ")
    for depth in range(len(location), 0, -1):  # a list or a section may be given as JSON in one variable
        variable = "__".join(["TOCSIN", *map(str, location[:depth])]).upper()
        if variable in os.environ:
            return f"{variable}: {message}"
    for variable, keys in settings.PLAIN_NAMES.items():
        if keys == location and os.environ.get(variable):
            return f"{variable}: {message}"
    path = Path(os.environ.get("TOCSIN_CONFIG", settings.DEFAULT_FILE))
    return yaml_file.read(path).mistake(location, message)
