"""Takes the recovery steps that are due."""

import logging
import time

from recovery import due
from recovery.actions.base import Action
from recovery.actions.clean_cache import CleanCache
from recovery.executor import Executor
from recovery.guard import Guard
from recovery.journal import Journal
from tasks import settings, wiring
from tasks.app import app
from tasks.settings import RecoverySettings

logger = logging.getLogger(__name__)


@app.task(name="tasks.recover.recover", ignore_result=True)
def recover() -> None:
    """Take each due step once. A step is struck off after it was taken; the guard bars a repeat after a crash."""
    client, recovery = wiring.redis_client(), settings.load().recovery
    # The host's own clock, since the ages of files are measured against it.
    executor = Executor(Guard(client, recovery.cooldown), Journal(client), actions(recovery), time.time)
    for step in due.steps(client):
        logger.info("recovery step %s: %s", step.id, executor.take(step))
        due.done(client, step)


def actions(recovery: RecoverySettings) -> dict[str, Action]:
    """Step id -> action, for all that the settings allow."""
    cleaners = [
        CleanCache(folder.name, folder.path, folder.max_bytes, folder.min_age) for folder in recovery.cache_folders
    ]
    return {f"{cleaner.name}:{cleaner.target}": cleaner for cleaner in cleaners}
