"""The start-up checks: every mistake in every configuration file, told before anything starts."""

from collections.abc import Callable, Iterator
from typing import Any

from alerts import config
from recovery import runbook
from rules import loader, patterns
from rules.errors import ConfigError
from tasks.settings import Settings


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
