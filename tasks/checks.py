"""The start-up checks: every mistake in every configuration file, told before anything starts.

Everything is built as a worker builds it, and nothing is sent.
"""

from collections.abc import Callable, Iterator
from typing import Any

from alerts import config
from alerts.errors import ReceiverError
from recovery import runbook
from recovery.actions import ACTIONS
from recovery.actions.clean_cache import CleanCache
from recovery.errors import UnsafeFolderError
from rules import loader, patterns
from rules.errors import ConfigError
from tasks import wiring
from tasks.settings import Settings


def mistakes(of: Settings) -> list[str]:
    """What is wrong in the files that the settings name, one line each; empty: nothing."""
    readers: list[Callable[[], Any]] = [
        lambda: loader.load_rules(of.rules.files),
        lambda: _check_receivers(of),
        patterns.load_patterns,
        lambda: runbook.load_runbooks(of.recovery.runbooks),
        lambda: _check_folders(of),
    ]
    return [mistake for read in readers for mistake in _mistakes_of(read)]


def doubts(of: Settings) -> list[str]:
    """What is allowed and hardly meant, one line each; asked where there are no mistakes."""
    found = []
    if of.alerts.config and not wiring.receivers(of):
        name = config.load(of.alerts.config).route.receiver
        found.append(f"{of.alerts.config}: receiver {name!r} has no slack_configs and no email_configs: nobody is told")
    shipped = runbook.load_runbooks()
    for type_, book in runbook.load_runbooks(of.recovery.runbooks).items():
        if book != shipped.get(type_) and (advice := [name for name in book.actions if name not in ACTIONS]):
            found.append(f"recovery.runbooks: {type_}: {', '.join(advice)}: advised, since it cannot be taken yet")
    total, largest = of.files.max_total_bytes, of.files.max_bytes
    if total is not None and total < 2 * largest:
        found.append(
            f"files.max_total_bytes {total} is less than twice files.max_bytes {largest}: no sealed file stays"
        )
    return found


def _mistakes_of(read: Callable[[], Any]) -> Iterator[str]:
    try:
        read()
    except ConfigError as error:
        yield from error.mistakes


def _check_receivers(of: Settings) -> None:
    found = []
    for receiver in wiring.receivers(of):
        try:
            receiver.check()
        except ReceiverError as error:
            found.append(f"receiver {receiver.name}: {error}")
    if found:
        raise ConfigError(found)


def _check_folders(of: Settings) -> None:
    found = []
    for folder in of.recovery.cache_folders:
        try:
            CleanCache(folder.name, folder.path, folder.max_bytes, folder.min_age).check()
        except UnsafeFolderError as error:
            found.append(f"cache folder {folder.name}: {error}")
    if found:
        raise ConfigError(found)
