"""Takes the recovery steps that are due."""

import logging
import time

from recovery import due
from recovery.actions.base import Action
from recovery.actions.clean_cache import CleanCache
from recovery.executor import Executor
from recovery.guard import Guard
from recovery.journal import Journal
from recovery.model import Outcome, Result, Step
from tasks import settings, wiring
from tasks.app import app
from tasks.dispatch import routed_receivers
from tasks.notification_tasks import tell
from tasks.settings import RecoverySettings

UNHEALED = {Outcome.NOT_HEALED, Outcome.FAILED}

logger = logging.getLogger(__name__)


@app.task(name="tasks.recover.recover", ignore_result=True)
def recover() -> None:
    """Take each due step once. It is struck off when it is decided; until then the scans ask for it again."""
    client, recovery = wiring.redis_client(), settings.load().recovery
    # The host's own clock, since the ages of files are measured against it.
    executor = Executor(Guard(client, recovery.cooldown), Journal(client), actions(recovery), time.time)
    for step in due.steps(client):
        result = executor.take(step)
        logger.info("recovery step %s: %s", step.id, result or "waits for another attempt to end")
        if isinstance(result, Result) and result.outcome in UNHEALED:
            _tell_unhealed(step, result)
        if result:
            due.done(client, step)


def _tell_unhealed(step: Step, result: Result) -> None:
    """What could not be healed is for people."""
    labels = {
        "alertname": "RecoveryFailed",
        "severity": "critical",
        "action": step.action,
        "target": step.target,
        "outcome": str(result.outcome),
        "error_type": step.cause.type,
    }
    tell(labels, {"summary": f"{step.id} did not heal {step.cause.type}: {result.detail}"}, routed_receivers())


def actions(recovery: RecoverySettings) -> dict[str, Action]:
    """Step id -> action, for all that the settings allow."""
    cleaners = [
        CleanCache(folder.name, folder.path, folder.max_bytes, folder.min_age) for folder in recovery.cache_folders
    ]
    return {f"{cleaner.name}:{cleaner.target}": cleaner for cleaner in cleaners}
