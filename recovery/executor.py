"""Takes a step: guard, action, verification, journal."""

from collections.abc import Callable, Mapping

from recovery.actions.base import Action
from recovery.guard import Guard, Refused
from recovery.journal import Attempt, Entry, Journal
from recovery.model import Outcome, Refusal, Result, Step


class Executor:
    """Takes steps with the `actions` that are configured (step id -> action), and no others."""

    def __init__(
        self, guard: Guard, journal: Journal, actions: Mapping[str, Action], clock: Callable[[], float]
    ) -> None:
        self._guard = guard
        self._journal = journal
        self._actions = actions
        self._clock = clock

    def take(self, step: Step) -> Result | Refusal | None:
        """Take one step, and write down what came of it; None: it is not decided, and is to be asked again.

        That is so while another attempt runs on the target, or one that died seems to until its lease is over.
        """
        action = self._actions.get(step.id)
        if action is None:
            return self._refuse(step, Refusal.NOT_ALLOWED)
        decision = self._guard.admit(step)
        if isinstance(decision, Refused):
            return None if decision.reason is Refusal.RUNNING else self._refuse(step, decision.reason)
        started = self._clock()
        if interrupted := self._journal.begin(Attempt(decision.attempt, step, started)):
            self._journal.append(_interrupted(interrupted, started))
        result = attempt(action, started)
        self._journal.end(Entry(decision.attempt, step, result, started, self._clock() - started))
        self._guard.release(step, decision.attempt, acted=result.outcome is not Outcome.NOT_NEEDED)
        return result

    def _refuse(self, step: Step, reason: Refusal) -> Refusal:
        self._journal.refused(step, reason)
        return reason


def _interrupted(before: Attempt, now: float) -> Entry:
    result = Result(Outcome.INTERRUPTED, detail="its process died, or could not write down what it did")
    return Entry(before.id, before.step, result, before.started, max(0.0, now - before.started))


def attempt(action: Action, now: float) -> Result:
    """Act if there is need, and measure again: only that decides whether it helped."""
    before = None
    try:
        before = action.measure()
        if action.is_healthy(before):
            return Result(Outcome.NOT_NEEDED, before)
        detail = action.act(now)
        after = action.measure()
    except Exception as error:  # noqa: BLE001  # whatever breaks an action must not keep the other steps from their turn
        return Result(Outcome.FAILED, before, detail=f"{type(error).__name__}: {error}")
    return Result(Outcome.HEALED if action.is_healthy(after) else Outcome.NOT_HEALED, before, after, detail)
