import math
import time

import pytest

from alerts.evaluation import AT, FAILURES, LAST, LOCK, WANTED
from alerts.model import State
from alerts.store import AlertStore
from logging_core.streams.stream import Change, shard_key
from rules import error_groups
from rules.error_groups import Place, Sighting
from rules.fingerprint import Group
from tasks import evaluate as tasks_evaluate
from tasks.evaluate import evaluate, wake_for

FEW = """\
groups:
- name: test
  rules:
  - {alert: FewErrors, expr: sum by (service) (log_errors_total) < 3, annotations: {summary: "only {{ $value }}"}}
"""
SLOW = FEW.replace("< 3,", "< 3, for: 30s,")
TWINS = FEW + "  - {alert: Twins, expr: log_errors_total, labels: {group: all}}\n"
QUEUE = "tocsin:celery:evaluate"


@pytest.fixture
def alerts(redis):
    return lambda: {alert.name: alert for alert in AlertStore(redis).alerts().values()}


def test_the_first_error_of_a_new_group_fires_with_the_line_behind_it(redis, configured, alertmanager, count_errors):
    configured(alertmanager=alertmanager)  # and the rules that ship with Tocsin
    redis.hset(
        "tocsin:{0}:group:abc",
        mapping={
            "service": "shop",
            "error_type": "ValueError",
            "template": "bad *",
            "count": 1,
            "first_seen": 1,
            "last_seen": 1,
            "sample": "bad 17",
            "file": "shop/app.log",
            "offset": 120,
        },
    )
    count_errors(1, service="shop", error_type="ValueError", group="abc")
    evaluate()
    (alert,) = AlertStore(redis).alerts().values()
    assert (alert.name, alert.state, alert.labels["error_type"]) == ("NewErrorGroup", State.FIRING, "ValueError")
    assert alert.evidence == "shop/app.log:120\nbad 17"
    assert alert.told == ("ops/email/0", "ops/slack/0")
    assert redis.zcard("tocsin:{alerts}:due") == 2
    assert redis.llen("tocsin:celery:notify") == 2
    assert {name: float(redis.hget(LAST, name)) for name in ("rules", "alerts_firing")} == {
        "rules": 13,
        "alerts_firing": 1,
    }


def test_a_refused_record_fires_and_an_account_that_cannot_be_read_silences_nothing(redis, configured, alerts, caplog):
    configured()
    redis.hset("tocsin:{0}:producer:p", mapping={"accepted": 1, "refused:buffer_full": 1})
    redis.sadd("tocsin:{0}:producers", "p")
    evaluate()
    assert alerts()["RecordsRefused"].state is State.FIRING
    redis.hset("tocsin:{0}:producer:p", "accepted", "spoilt")
    tasks_evaluate._delivery.cache_clear()
    evaluate()
    assert alerts()["RecordsRefused"].state is State.FIRING
    assert "the delivery account was not counted" in caplog.text


def test_evidence_whose_place_is_not_known_is_the_line_alone(redis, configured, alertmanager, count_errors):
    configured(alertmanager=alertmanager)
    group = Group("abc", "shop", "ValueError", "bad *")
    for change in error_groups.changes(group, Sighting(1.0, 1.0, "bad 17", Place("shop/app.log", -1))):
        redis.hset(shard_key(0, change.key), change.field, change.value)
    count_errors(1, service="shop", error_type="ValueError", group="abc")
    evaluate()
    (alert,) = AlertStore(redis).alerts().values()
    assert alert.evidence == "bad 17"


def test_what_keeps_firing_is_told_once_and_its_end_to_those_who_ask(
    redis, configured, alertmanager, count_errors, alerts
):
    configured(alertmanager=alertmanager, rules=FEW)
    count_errors(1, service="shop")
    evaluate()
    evaluate()
    assert redis.zcard("tocsin:{alerts}:due") == 2
    count_errors(5, service="shop")
    evaluate()
    assert alerts()["FewErrors"].state is State.RESOLVED
    assert redis.zcard("tocsin:{alerts}:due") == 3  # Slack alone asks for the end


def test_a_rule_that_fails_keeps_its_alerts_and_stops_no_other(redis, configured, count_errors, alerts, caplog):
    configured(rules=TWINS)
    count_errors(1, service="shop", group="one")
    evaluate()
    assert {alert.state for alert in alerts().values()} == {State.FIRING}
    count_errors(5, service="shop", group="two")
    evaluate()
    assert {name: alert.state for name, alert in alerts().items()} == {
        "FewErrors": State.RESOLVED,
        "Twins": State.FIRING,
    }
    assert redis.hgetall(FAILURES) == {b"Twins": b"1"}
    assert "rule Twins was not evaluated" in caplog.text


def test_a_pending_alert_says_when_it_wants_to_be_looked_at_again(redis, configured, count_errors, alerts):
    configured(rules=SLOW)
    count_errors(1, service="shop")
    evaluate()
    pending = alerts()["FewErrors"]
    assert pending.state is State.PENDING
    assert float(redis.get(AT)) == pending.active_at + 30
    assert not redis.exists("tocsin:{alerts}:due")


def test_nothing_is_done_while_another_evaluates(redis, configured, count_errors, alerts):
    configured(rules=FEW)
    count_errors(1, service="shop")
    redis.set(LOCK, "another")
    redis.set(WANTED, 1)
    evaluate()
    assert alerts() == {}
    assert redis.exists(WANTED)  # the holder will see it


def test_a_round_answers_the_flag_and_leaves_no_lock(redis, configured):
    configured(rules=FEW)
    redis.set(WANTED, 1)
    evaluate()
    assert not redis.exists(WANTED, LOCK)
    assert redis.llen(QUEUE) == 0


def test_a_commit_wakes_evaluation_once_and_only_for_what_a_rule_reads(redis, configured, count_errors):
    configured(rules=FEW)
    wake_for(redis, [Change("add", "series:total", 'log_records_total{service="shop"}', 1, 0)])
    assert redis.llen(QUEUE) == 0
    changes = count_errors(1, service="shop")
    wake_for(redis, changes)
    wake_for(redis, changes)
    assert redis.llen(QUEUE) == 1


def test_without_a_receiver_alerts_are_evaluated_and_it_is_said_once(configured, count_errors, alerts, caplog):
    configured(rules=FEW)
    count_errors(1, service="shop")
    evaluate()
    evaluate()
    assert alerts()["FewErrors"].state is State.FIRING
    assert caplog.text.count("no receiver is configured") == 1


def test_a_value_beyond_all_numbers_is_kept_and_told(redis, configured, alertmanager, count_errors, alerts):
    configured(alertmanager=alertmanager, rules=FEW.replace("< 3,", "/ 0 > 1,"))
    count_errors(1, service="shop")
    for _ in range(3):
        evaluate()
    assert alerts()["FewErrors"].value == math.inf
    assert redis.zcard("tocsin:{alerts}:due") == 2


def test_a_broker_that_is_away_ends_nothing_and_the_next_commit_asks_anew(
    redis, configured, count_errors, broker_away, caplog
):
    configured(rules=FEW)
    changes = count_errors(1, service="shop")
    started = time.monotonic()
    wake_for(redis, changes)
    assert time.monotonic() - started < 2  # less than the writer's lease
    assert not redis.exists(WANTED)
    assert "the broker does not take tasks.evaluate.evaluate" in caplog.text
    broker_away()
    wake_for(redis, changes)
    assert redis.llen(QUEUE) == 1
