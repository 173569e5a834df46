import pytest
from msgspec.structs import replace

from alerts.errors import ReceiverRejectedError, ReceiverUnavailableError
from alerts.model import State
from alerts.notification import GIVE_UP_AFTER, next_attempt, notify


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
    [(0, None, 1), (1, None, 2), (5, None, 32), (9, None, 300), (5000, None, 300), (3, 0.0, 0), (0, 900.0, 900)],
)
def test_a_receiver_that_is_away_is_tried_again(notification, attempts, retry_after, delay):
    error = ReceiverUnavailableError("away", retry_after=retry_after)
    assert next_attempt(replace(notification(), attempts=attempts), error, 2000.0) == 2000.0 + delay


def test_a_refusal_is_not_tried_again_and_nothing_is_after_a_day(notification):
    assert next_attempt(notification(), ReceiverRejectedError("no"), 2000.0) is None
    assert next_attempt(notification(), ReceiverUnavailableError("away"), 1000.0 + GIVE_UP_AFTER) is None
