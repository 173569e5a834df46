from collections.abc import Callable, Iterator

import pytest

from alerts.model import Alert, State, fingerprint
from alerts.notification import Notification, notify
from examples.sinks import MailSink, SlackSink


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture
def alert() -> Callable[..., Alert]:
    def make(state: State = State.FIRING, *, evidence: str = "", summary: str = "it broke", **labels: str) -> Alert:
        labels = {"alertname": "NewErrorGroup", "service": "shop", "severity": "critical", **labels}
        return Alert(
            fingerprint=fingerprint(labels),
            labels=labels,
            annotations={"summary": summary},
            state=state,
            active_at=100.0,
            fired_at=100.0,
            resolved_at=200.0 if state is State.RESOLVED else None,
            value=3.0,
            evidence=evidence,
        )

    return make


@pytest.fixture
def notification(alert) -> Callable[..., Notification]:
    def make(*alerts: Alert, receiver: str = "ops/slack/0") -> Notification:
        return notify(receiver, alerts or [alert()], 1000.0)

    return make
