"""Evaluation: series -> PromQL -> alert states -> notifications, in rounds as long as there is news."""

import logging
import time
from collections.abc import Iterable
from functools import cache

from msgspec.structs import replace
from redis import Redis, RedisError

from alerts.evaluation import EvaluationTurns
from alerts.model import Alert, State, fingerprint
from alerts.route import route
from alerts.state import Held, advance, next_moment
from alerts.store import AlertStore
from logging_core.streams.stream import Change
from rules.delivery import DeliverySeries
from rules.engine import evaluate as readings_of
from rules.error_groups import ErrorGroups
from rules.errors import EvaluationError
from rules.loader import load_rules
from rules.model import AlertRule, RuleGroup
from rules.series import TOTAL, SeriesReader
from tasks import settings, wiring
from tasks.app import app, send
from tasks.dispatch import routed_receivers, send_due

logger = logging.getLogger(__name__)

BUDGET = 5.0  #: seconds of one run, at most
REST = 0.05  #: seconds between two rounds, at least


@cache
def _groups() -> tuple[RuleGroup, ...]:
    return load_rules(settings.load().rules.files)


@cache
def _rules() -> tuple[AlertRule, ...]:
    return tuple(rule for group in _groups() for rule in group.rules)


@cache
def _pace() -> float | None:
    """Seconds between two rounds at most, as the fastest group of a rule file asks; None where none does."""
    return min((group.interval for group in _groups() if group.interval), default=None)


@cache
def _series() -> SeriesReader:
    return SeriesReader(wiring.redis_client())


@cache
def _delivery() -> DeliverySeries:
    return DeliverySeries(wiring.redis_client())


@cache
def _metrics() -> frozenset[str]:
    """Names of the metrics that some rule reads."""
    return frozenset().union(*(rule.selectors for rule in _rules()))


def wake(redis: Redis) -> None:
    """Asks for an evaluation at once; one task is sent, however many ask. Where none can be, the next one asks anew."""
    turns = EvaluationTurns(redis)
    if turns.want() and not send("tasks.evaluate.evaluate"):
        turns.unwant()


def wake_for(redis: Redis, changes: Iterable[Change]) -> None:
    """Asks for an evaluation if a committed change moved a counter that some rule reads."""
    moved = {change.field.partition("{")[0] for change in changes if change.key == TOTAL}
    if moved & _metrics():
        wake(redis)


def try_to_wake_for(changes: Iterable[Change]) -> None:
    """The same once a commit is done: no mistake in a rule, and no broker that is away, undoes it."""
    try:
        wake_for(wiring.redis_client(), changes)
    except Exception as error:  # noqa: BLE001
        logger.warning("nobody was woken to evaluate: %s", error)


@app.task(name="tasks.evaluate.evaluate", ignore_result=True)
def evaluate() -> None:
    """Evaluates all rules, again and again while a commit asks for it, within a budget; then a successor goes on."""
    turns = EvaluationTurns(wiring.redis_client())
    nonce = turns.begin()
    if nonce is None:
        return  # who holds the lock will see the flag
    started = time.monotonic()
    try:
        while turns.renew(nonce) and _round(turns, nonce):
            time.sleep(REST)
            if not turns.wanted() or time.monotonic() - started > BUDGET:
                break
    finally:
        turns.end(nonce)
    if turns.wanted() and not send("tasks.evaluate.evaluate"):  # the budget is spent, or it was asked for meanwhile
        turns.unwant()


def _round(turns: EvaluationTurns, nonce: str) -> bool:
    """One evaluation of all rules; False where the lock was lost and nothing was saved."""
    started, now = time.monotonic(), wiring.now()
    store = AlertStore(wiring.redis_client())
    _count_delivery(now)
    before = store.alerts()
    readings, failed = _readings(now)
    after = advance(before, readings, failed, now)
    after = {key: _with_evidence(alert, before.get(key)) for key, alert in after.items()}
    notifications, after = route(after, routed_receivers(), now)
    changed = [alert for key, alert in after.items() if before.get(key) != alert]
    if not store.save(changed, before.keys() - after.keys(), notifications, nonce=nonce, now=now):
        logger.warning("an evaluation took longer than its lock; another goes on")
        return False
    if notifications:
        send_due()
    last = {
        "at": now,
        "duration_ms": (time.monotonic() - started) * 1000,
        "rules": len(_rules()),
        "alerts_firing": sum(alert.state is State.FIRING for alert in after.values()),
    }
    turns.record(last, _next_moment(next_moment(after, readings), now), sorted(failed))
    return True


def _count_delivery(now: float) -> None:
    """Have the delivery account counted, for rules to read. What is wrong with it must silence no other alert."""
    try:
        _delivery().update(now)
    except (RedisError, ValueError) as error:
        logger.error("the delivery account was not counted: %s", error)


def _next_moment(pending: float | None, now: float) -> float | None:
    """When the next round is wanted: the first pending alert has held, or the fastest group's interval is over."""
    pace = _pace()
    moments = [moment for moment in (pending, None if pace is None else now + pace) if moment is not None]
    return min(moments, default=None)


def _readings(now: float) -> tuple[dict[str, Held], set[str]]:
    """What every rule says, by fingerprint, and the names of the rules that could not be evaluated."""
    readings: dict[str, Held] = {}
    failed = set()
    window = _series().window(now, max((rule.reach for rule in _rules()), default=0))
    for rule in _rules():
        try:
            for reading in readings_of(rule, window, now):
                readings.setdefault(fingerprint(reading.labels), Held(reading, rule.hold))
        except EvaluationError as error:
            logger.error("rule %s was not evaluated, its alerts stay as they are: %s", rule.name, error)
            failed.add(rule.name)
    return readings, failed


def _with_evidence(alert: Alert, before: Alert | None) -> Alert:
    """The alert; at the moment it fires with the log line behind it, and its place."""
    begins = alert.state is State.FIRING and (before is None or before.fired_at != alert.fired_at)
    if not begins or "group" not in alert.labels:
        return alert
    group = ErrorGroups(wiring.redis_client()).get(alert.labels["group"])
    if group is None:
        return alert
    return replace(alert, evidence="\n".join(filter(None, (str(group.place), group.sample))))
