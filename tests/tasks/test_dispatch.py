import pytest
from kombu.exceptions import OperationalError

from alerts.evaluation import AT
from tasks.app import app
from tasks.dispatch import sweep
from tasks.evaluate import evaluate

PACED = "groups: [{name: slow}, {name: medium, interval: 9s}, {name: fast, interval: 7s}]\n"


def test_the_sweep_wakes_evaluation_when_a_pending_alert_has_held(redis):
    redis.set(AT, 4_000_000_000)
    sweep()
    assert redis.llen("tocsin:celery:evaluate") == 0
    redis.set(AT, 1_000_000_000)
    sweep()
    sweep()
    assert redis.llen("tocsin:celery:evaluate") == 1


def test_the_sweep_sends_one_worker_for_what_is_due(redis):
    redis.zadd("tocsin:{alerts}:due", {"past": 1_000_000_000, "future": 4_000_000_000})
    sweep()
    sweep()
    assert redis.llen("tocsin:celery:notify") == 1


def test_the_sweep_wakes_evaluation_when_the_pace_of_the_fastest_group_is_over(redis, configured):
    configured(rules=PACED)
    evaluate()
    assert 0 < float(redis.get(AT)) - redis.time()[0] <= 8


def test_a_worker_looks_for_its_broker_each_second(broker_away):
    waits = []
    with app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda _, wait: waits.append(wait), 2)
    assert waits == [1, 1]
