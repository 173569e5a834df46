"""From an error to the steps that may heal it."""

from collections.abc import Mapping, Sequence

from recovery.model import Cause, Plan, Step
from recovery.runbook import Runbook


def plan(cause: Cause, runbooks: Mapping[str, Runbook], targets: Mapping[str, Sequence[str]]) -> Plan | None:
    """Every action of the runbook on every configured target, in order; None where there is nothing to do.

    `targets` are the names that each action may be used on.
    """
    runbook = runbooks.get(cause.type)
    if runbook is None:
        return None
    steps = tuple(Step(action, target, cause) for action in runbook.actions for target in targets.get(action, ()))
    return Plan(cause, steps) if steps else None
