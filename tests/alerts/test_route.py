from msgspec.structs import replace

from alerts.model import State
from alerts.receivers.base import NO_SECRET
from alerts.receivers.slack import SlackReceiver
from alerts.route import route

LOUD = SlackReceiver(name="loud", send_resolved=True, url=NO_SECRET)
QUIET = SlackReceiver(name="quiet", send_resolved=False, url=NO_SECRET)


def told(alert, receivers=(LOUD, QUIET)):
    notifications, after = route({alert.fingerprint: alert}, receivers, 1000.0)
    return {each.receiver: [it.state for it in each.alerts] for each in notifications}, after[alert.fingerprint]


def test_an_alert_that_fires_is_told_to_every_receiver_once(alert):
    news, after = told(alert())
    assert news == {"loud": [State.FIRING], "quiet": [State.FIRING]}
    assert told(after) == ({}, after)


def test_its_end_is_told_once_and_only_to_those_who_ask_for_it(alert):
    news, after = told(replace(alert(State.RESOLVED), told=("loud", "quiet")))
    assert news == {"loud": [State.RESOLVED]}
    assert told(after) == ({}, after)


def test_an_end_is_not_told_where_the_beginning_was_not(alert):
    assert told(alert(State.RESOLVED))[0] == {}


def test_a_pending_alert_is_told_to_nobody(alert):
    assert told(alert(State.PENDING))[0] == {}


def test_a_receiver_that_is_added_hears_of_what_fires(alert):
    _, after = told(alert(), receivers=(LOUD,))
    assert told(after)[0] == {"quiet": [State.FIRING]}
