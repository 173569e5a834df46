import math

import pytest
from msgspec.structs import replace

from alerts.evaluation import LOCK, EvaluationTurns
from alerts.model import State
from alerts.store import CLAIM_LEASE, COALESCE, HAND_OUT_AGAIN, LOG, STATE, AlertStore
from tests.servers import memory_limit

ON_EVERY_REDIS = True  # see tests/conftest.py


@pytest.fixture
def store(redis):
    return AlertStore(redis)


@pytest.fixture
def nonce(redis):
    return EvaluationTurns(redis).begin()


@pytest.fixture
def queued(store, nonce, notification):
    one = notification()
    assert store.save([], [], [one], nonce=nonce, now=1000.0)
    return one


def test_what_is_saved_is_what_is_read_and_what_ended_is_gone(store, nonce, alert):
    one, two = alert(evidence="é\n\x00"), alert(service="pay", state=State.RESOLVED)
    assert store.save([one, two], [], [], nonce=nonce, now=1.0)
    assert store.alerts() == {one.fingerprint: one, two.fingerprint: two}
    assert store.save([], [two.fingerprint], [], nonce=nonce, now=2.0)
    assert store.alerts() == {one.fingerprint: one}


def test_at_the_memory_limit_alerts_are_saved_and_people_are_told(redis, store, nonce, alert, notification):
    with memory_limit(redis):
        assert store.save([alert()], ["ended"], [notification()], nonce=nonce, now=1000.0)
        assert store.queue_once("said", [notification(receiver="ops/email/0")], 1000.0)
        assert not store.queue_once("said", [notification(receiver="ops/email/0")], 1000.0)
        assert len(store.alerts()) == 1
        claimed = [store.claim(each, 1000.0) for each in store.hand_out(1000.0)]
    assert {each.receiver for each in claimed} == {"ops/slack/0", "ops/email/0"}


def test_who_lost_the_lock_saves_nothing(store, nonce, alert, notification):
    assert not store.save([alert()], [], [notification()], nonce="another", now=1000.0)
    assert store.alerts() == {}
    assert store.hand_out(2000.0) == []


def test_a_notification_is_claimed_by_one(store, queued):
    assert store.claim(queued.id, 999.0) is None  # not due
    assert store.claim(queued.id, 1000.0) == queued
    assert store.claim(queued.id, 1000.0) is None
    assert store.claim(queued.id, 1000.0 + CLAIM_LEASE) == queued  # its worker died


def test_what_is_due_is_handed_out_once_in_a_while(store, queued):
    assert store.hand_out(999.0) == []
    assert store.hand_out(1000.0) == [queued.id]
    assert store.hand_out(1001.0) == []
    assert store.hand_out(1000.0 + HAND_OUT_AGAIN) == [queued.id]


def test_what_failed_comes_back_when_it_is_due_and_counts_its_attempts(store, queued):
    store.hand_out(1000.0)
    again = replace(store.claim(queued.id, 1000.0), attempts=1)
    store.postpone(again, 1007.0)
    assert store.hand_out(1006.0) == []
    assert store.hand_out(1007.0) == [queued.id]
    assert store.claim(queued.id, 1007.0) == again


def test_what_is_finished_is_in_the_log_and_nowhere_else(redis, store, queued):
    store.claim(queued.id, 1000.0)
    store.finish(queued, "delivered", "", 1001.0)
    ((_, entry),) = redis.xrange(LOG)
    assert (entry[b"id"].decode(), entry[b"outcome"], entry[b"attempts"]) == (queued.id, b"delivered", b"1")
    store.postpone(queued, 1001.0)  # a claimant that came too late changes nothing
    assert store.hand_out(2000.0) == []
    assert {key.decode() for key in redis.scan_iter("tocsin:{alerts}:*")} == {LOG, LOCK}


def test_an_id_without_its_notification_is_forgotten(redis, store, queued):
    store.hand_out(1000.0)
    redis.delete(f"tocsin:{{alerts}}:notification:{queued.id}")
    assert store.claim(queued.id, 1000.0) is None
    assert store.hand_out(9000.0) == []


def test_what_an_application_repeats_within_a_minute_is_queued_once(redis, store, notification):
    one = notification()
    assert store.queue_once("the same", [one], 1000.0)
    assert not store.queue_once("the same", [replace(one, id="another")], 1001.0)
    assert store.queue_once("something else", [], 1001.0)
    (mark, *_) = redis.scan_iter("tocsin:{alerts}:said:*")
    assert 0 < redis.ttl(mark) <= COALESCE
    assert store.hand_out(1001.0) == [one.id]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 0.1, -0.0, 1e300, 5e-324])
def test_every_value_comes_back_as_it_was(store, nonce, alert, notification, value):
    one = replace(alert(), value=value)
    assert store.save([one], [], [notification(one)], nonce=nonce, now=1000.0)
    (kept,) = store.alerts().values()
    (due,) = store.hand_out(1000.0)
    (told,) = store.claim(due, 1000.0).alerts
    for back in (kept, told):
        assert (back.value == value or (math.isnan(value) and math.isnan(back.value))) is True
        assert math.copysign(1, back.value) == math.copysign(1, value)
        assert replace(back, value=0.0) == replace(one, value=0.0)


def test_a_state_that_cannot_be_read_is_dropped_and_hides_no_other(redis, store, nonce, alert, caplog):
    one = alert()
    assert store.save([one], [], [], nonce=nonce, now=1.0)
    redis.hset(STATE, mapping={"null": '{"value":null}', "text": "no JSON"})
    assert store.states([one.fingerprint, "null", "nowhere"]) == {one.fingerprint: one}
    assert store.alerts() == {one.fingerprint: one}
    assert redis.hkeys(STATE) == [one.fingerprint.encode()]
    assert "the state of alert null cannot be read" in caplog.text


def test_a_notification_that_cannot_be_read_is_dropped_and_logged(redis, store, queued):
    redis.set(f"tocsin:{{alerts}}:notification:{queued.id}", "{}")
    assert store.claim(queued.id, 1000.0) is None
    assert store.hand_out(9000.0) == []
    ((_, entry),) = redis.xrange(LOG)
    assert (entry[b"id"].decode(), entry[b"outcome"]) == (queued.id, b"unreadable")


def test_a_receiver_that_asked_for_a_rest_has_it_until_it_is_over(redis, store):
    assert store.held("ops/slack/0") == 0.0
    store.hold("ops/slack/0", 1060.5, 1000.0)
    assert store.held("ops/slack/0") == 1060.5
    assert store.held("ops/slack/1") == 0.0
    assert 0 < redis.pttl("tocsin:{alerts}:hold:ops/slack/0") <= 60_500
