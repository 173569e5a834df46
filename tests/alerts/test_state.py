import pytest

from alerts.model import Alert, State, fingerprint
from alerts.state import RESOLVED_RETENTION, TRANSITIONS, Condition, Held, advance, next_moment, transition
from rules.engine import Reading

LABELS = {"alertname": "HighErrorRate", "service": "shop"}
READING = Reading(labels=LABELS, annotations={"summary": "many"}, value=0.4)
KEY = fingerprint(LABELS)


def alert(state: State, *, active_at: float = 100.0, resolved_at: float | None = None) -> Alert:
    return Alert(
        fingerprint=KEY,
        labels=LABELS,
        annotations={},
        state=state,
        active_at=active_at,
        fired_at=active_at if state in {State.FIRING, State.RESOLVED} else None,
        resolved_at=resolved_at,
        value=1.0,
        told=("ops/slack/0",) if state is State.FIRING else (),
    )


def test_the_table_answers_every_state_and_condition_that_can_meet():
    impossible = {(state, Condition.STALE) for state in State if state is not State.RESOLVED}
    assert set(TRANSITIONS) == {(state, condition) for state in State for condition in Condition} - impossible


@pytest.mark.parametrize(
    ("before", "reading", "hold", "now", "expected"),
    [
        (None, None, 0, 100, None),
        (None, READING, 0, 100, State.FIRING),  # `for: 0` fires at its first evaluation
        (None, READING, 30, 100, State.PENDING),
        (alert(State.PENDING), READING, 30, 129.9, State.PENDING),
        (alert(State.PENDING), READING, 30, 130, State.FIRING),
        (alert(State.PENDING), None, 30, 129, None),
        (alert(State.FIRING), READING, 30, 131, State.FIRING),
        (alert(State.FIRING), READING, 600, 131, State.FIRING),  # a longer `for` does not take it back
        (alert(State.FIRING), None, 30, 131, State.RESOLVED),
        (alert(State.RESOLVED, resolved_at=200), None, 30, 200 + RESOLVED_RETENTION, State.RESOLVED),
        (alert(State.RESOLVED, resolved_at=200), None, 30, 201 + RESOLVED_RETENTION, None),
        (alert(State.RESOLVED, resolved_at=200), READING, 30, 210, State.PENDING),
        (alert(State.RESOLVED, resolved_at=200), READING, 0, 210, State.FIRING),
    ],
)
def test_an_alert_moves_as_in_prometheus(before, reading, hold, now, expected):
    after = transition(before, reading, hold, now)
    assert (after.state if after else None) == expected


def test_firing_keeps_the_moment_it_became_active_and_notes_when_it_fired():
    after = transition(alert(State.PENDING, active_at=100), READING, 30, 140)
    assert (after.active_at, after.fired_at, after.value, after.annotations) == (100, 140, 0.4, {"summary": "many"})
    assert transition(after, READING, 30, 150).fired_at == 140


def test_an_alert_that_comes_back_starts_anew():
    after = transition(alert(State.RESOLVED, active_at=100, resolved_at=200), READING, 0, 210)
    assert (after.active_at, after.fired_at, after.resolved_at, after.told) == (210, 210, None, ())


def test_alerts_of_a_rule_that_could_not_be_evaluated_stay():
    kept = {KEY: alert(State.FIRING)}
    assert advance(kept, {}, {"HighErrorRate"}, 500) == kept
    assert advance(kept, {}, set(), 500)[KEY].state is State.RESOLVED


def test_the_next_moment_is_when_the_first_pending_alert_will_have_held():
    readings = {KEY: Held(READING, 30)}
    assert next_moment(advance({}, readings, set(), 100), readings) == 130
    assert next_moment({KEY: alert(State.FIRING)}, readings) is None
