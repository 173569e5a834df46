import pytest

from alerts.evaluation import LOCK, EvaluationTurns

ON_EVERY_REDIS = True  # see tests/conftest.py


@pytest.fixture
def turns(redis):
    return EvaluationTurns(redis)


def test_one_evaluates_at_a_time(turns):
    nonce = turns.begin()
    assert turns.begin() is None
    turns.end("another")
    assert turns.begin() is None
    turns.end(nonce)
    assert turns.begin()


def test_a_lock_that_ran_out_is_not_renewed(redis, turns):
    nonce = turns.begin()
    assert 0 < redis.pttl(LOCK) <= 10_000
    assert turns.renew(nonce)
    redis.delete(LOCK)
    assert not turns.renew(nonce)


def test_only_the_first_who_asks_sends_the_task_until_a_round_begins(turns):
    assert turns.want()
    assert not turns.want()
    turns.renew(turns.begin())
    assert not turns.wanted()
    assert turns.want()


def test_the_moment_of_a_pending_alert_is_told_once(turns):
    assert not turns.due(100.0)
    turns.record({"at": 1.0}, 130.0, [])
    assert not turns.due(129.0)
    assert turns.due(130.5)
    assert not turns.due(131.0)


def test_failures_are_counted_by_rule(redis, turns):
    turns.record({"at": 1.0}, None, ["Broken"])
    turns.record({"at": 2.0}, None, ["Broken"])
    assert redis.hget("tocsin:{alerts}:evaluate:failures", "Broken") == b"2"
    assert redis.hgetall("tocsin:{alerts}:evaluate:last") == {b"at": b"2.0"}
