import pytest
from msgspec.structs import replace

from alerts.errors import ReceiverRejectedError, ReceiverUnavailableError, ReceiverUncertainError
from alerts.model import State
from alerts.notification import GIVE_UP_AFTER, MAX_ASKED, next_attempt, notify, still_true


def test_the_title_counts_what_fires_and_names_the_services(alert, notification):
    assert notification(alert(), alert(service="pay")).title == "[FIRING:2] NewErrorGroup (pay, shop)"
    assert notification(alert(State.RESOLVED)).title == "[RESOLVED] NewErrorGroup (shop)"
    assert notification(alert(State.RESOLVED), alert(service="pay")).title == "[FIRING:1] NewErrorGroup (pay)"


def test_the_same_alerts_at_the_same_moment_have_the_same_id_and_each_receiver_its_own(alert):
    one, two = alert(), alert(service="pay")
    assert notify("a", [one, two], 5.0).id == notify("a", [two, one], 5.0).id
    assert len({notify(name, [one], at).id for name in ("a", "b") for at in (5.0, 6.0)}) == 4


@pytest.mark.parametrize(
    ("attempts", "retry_after", "delay"),
    [
        (0, None, 1),
        (1, None, 2),
        (5, None, 32),
        (9, None, 300),
        (5000, None, 300),
        (3, 0.0, 8),
        (0, 900.0, 900),
        (0, 9e9, MAX_ASKED),
    ],
)
def test_a_receiver_that_is_away_is_tried_again(notification, attempts, retry_after, delay):
    error = ReceiverUnavailableError("away", retry_after=retry_after)
    assert next_attempt(replace(notification(), attempts=attempts), error, 2000.0) == 2000.0 + delay


def test_a_refusal_is_not_tried_again_and_nothing_is_after_a_day(notification):
    assert next_attempt(notification(), ReceiverRejectedError("no"), 2000.0) is None
    assert next_attempt(notification(), ReceiverUnavailableError("away"), 1000.0 + GIVE_UP_AFTER) is None


def test_what_may_have_been_taken_is_tried_once_more(notification):
    error = ReceiverUncertainError("no answer")
    assert next_attempt(replace(notification(), attempts=1), error, 2000.0) == 2002.0
    assert next_attempt(replace(notification(), attempts=1, uncertain=1), error, 2000.0) is None


FIRING, RESOLVED, PENDING = State.FIRING, State.RESOLVED, State.PENDING


@pytest.mark.parametrize(
    ("told", "kept", "again", "true"),
    [
        (FIRING, FIRING, False, True),
        (FIRING, RESOLVED, False, False),
        (FIRING, None, False, False),  # it ended so long ago that it is forgotten
        (FIRING, FIRING, True, False),  # it ended and began again, which is another notification's news
        (RESOLVED, RESOLVED, False, True),
        (RESOLVED, None, False, True),
        (RESOLVED, PENDING, True, True),
        (RESOLVED, FIRING, True, False),
    ],
)
def test_only_what_is_still_so_is_told(alert, notification, told, kept, again, true):
    one = alert(told)
    known = {} if kept is None else {one.fingerprint: replace(alert(kept), active_at=150.0 if again else 100.0)}
    assert (still_true(notification(one), known) is not None) is true


def test_what_is_no_longer_so_leaves_the_others_of_its_notification(alert, notification):
    one, two = alert(), alert(service="pay")
    left = still_true(notification(one, two), {one.fingerprint: one})
    assert left.alerts == (one,)


def test_what_an_application_said_has_no_state_and_stays_true(alert):
    one = notify("ops/slack/0", [alert()], 5.0, momentary=True)
    assert still_true(one, {}) == one
