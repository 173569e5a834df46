import logging
import socket
import traceback
from email.utils import formatdate

import pytest
from pydantic import SecretStr

from alerts.errors import ReceiverRejectedError, ReceiverUnavailableError, ReceiverUncertainError
from alerts.model import State
from alerts.receivers import slack as slack_receiver
from alerts.receivers.base import Secret
from alerts.receivers.slack import SlackReceiver, attachment
from examples.sinks import Answer

NOW = 1_800_000_000.0


def receiver(url, **own):
    return SlackReceiver(name="ops/slack/0", send_resolved=True, url=Secret(SecretStr(url)), **own)


def refused(url, notification, kind):
    with pytest.raises(kind) as caught:
        receiver(url).deliver(notification, NOW)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_a_message_says_what_fires_for_whom_and_with_which_evidence(slack, alert, notification):
    firing = alert(error_type="ZeroDivisionError", evidence="app.log:120\ndivision by zero")
    receiver(slack.url, channel="#ops", username="Tocsin").deliver(notification(firing), NOW)
    (post,) = slack.posts
    (shown,) = post.body["attachments"]
    assert (post.body["channel"], post.body["username"]) == ("#ops", "Tocsin")
    assert (shown["color"], shown["title"]) == ("danger", "[FIRING:1] NewErrorGroup (shop)")
    assert shown["fallback"] == shown["title"]
    assert "it broke" in shown["text"]
    assert "`error_type=ZeroDivisionError`" in shown["text"]
    assert "```app.log:120\ndivision by zero```" in shown["text"]
    assert {"title": "service", "value": "shop", "short": True} in shown["fields"]


def test_the_color_says_how_bad_it_is(alert, notification):
    assert attachment(notification(alert(State.RESOLVED)))["color"] == "good"
    assert attachment(notification(alert(severity="warning")))["color"] == "warning"
    assert attachment(notification(alert(severity="warning"), alert()))["color"] == "danger"


def test_text_from_a_log_can_neither_mention_nor_link_nor_leave_its_block(alert, notification):
    hostile = "<!channel> <https://evil.example|ok> http://evil.example ``` @here &"
    shown = attachment(notification(alert(summary=hostile, evidence=hostile, error_type=hostile)))
    for text in (shown["text"], *(each["value"] for each in shown["fields"])):
        assert not {"<", ">"} & set(text)
        assert "://" not in text
    assert shown["text"].count("```") == 2


def test_ten_alerts_are_shown_and_the_others_counted(alert, notification):
    shown = attachment(notification(*(alert(group=f"{number:012x}") for number in range(13))))
    assert shown["text"].count("it broke") == 10
    assert shown["text"].endswith("+3 more")


def test_what_is_long_is_cut(alert, notification):
    shown = attachment(notification(alert(service="s" * 5000, evidence="e" * 9000)))
    assert len(shown["title"]) == 1024
    assert "e" * 500 in shown["text"]
    assert "e" * 501 not in shown["text"]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(429, {"Retry-After": "7"}), 7),
        (Answer(429, {"Retry-After": formatdate(NOW + 30, usegmt=True)}), 30),
        (Answer(429, body='{"retry_after": 3, "ok": false, "error": "rate_limited"}'), 3),
        (Answer(503, {"Retry-After": "11"}), 11),
        (Answer(429), None),
        (Answer(408), None),
        (Answer(503, {"Retry-After": "9" * 400}), None),
        (Answer(503, {"Retry-After": "Mon, 01 Jan 2026 00:00:00 +9999999999"}), None),
        (Answer(429, {"Retry-After": "soon"}, body='{"retry_after": Infinity}'), None),
        (Answer(500, body="try later"), None),
    ],
)
def test_a_receiver_that_is_busy_or_broken_says_when_to_come_back(slack, notification, answer, seconds):
    slack.answers.append(answer)
    error = refused(slack.url, notification(), ReceiverUnavailableError)
    assert error.retry_after == seconds
    receiver(slack.url).deliver(notification(), NOW)
    assert len(slack.posts) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_what_slack_refuses_is_rejected_with_its_reason(slack, notification, status):
    slack.answers.append(Answer(status, body="no_service at /services/T0/B0/sesame"))
    error = refused(slack.url, notification(), ReceiverRejectedError)
    assert str(error) == f"Slack at 127.0.0.1: {status} no_service at <secret>"


def test_an_answer_that_is_no_success_is_no_delivery(slack, notification):
    slack.answers.append(Answer(304))
    refused(slack.url, notification(), ReceiverRejectedError)


def test_a_post_without_an_answer_may_have_been_taken(monkeypatch, notification):
    monkeypatch.setattr(slack_receiver, "TIMEOUT", (3.05, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(f"http://127.0.0.1:{silent.getsockname()[1]}/sesame", notification(), ReceiverUncertainError)
    assert str(error) == "Slack at 127.0.0.1: no answer"


def test_ten_noisy_alerts_are_shown_as_far_as_slack_takes_them(alert, notification):
    noisy = [alert(service=f"s{n}" + "&" * 900, summary="<" * 1000, evidence=">" * 500) for n in range(10)]
    shown = attachment(notification(*noisy))
    assert len(str(shown)) < 40_000
    more = int(shown["text"].rpartition("+")[2].removesuffix(" more"))
    assert shown["text"].count("*NewErrorGroup*") + more == 10


def test_a_redirect_is_not_followed_with_the_secret(slack, notification):
    slack.answers.append(Answer(302, {"Location": "http://127.0.0.1:1/"}))
    refused(slack.url, notification(), ReceiverRejectedError)


def test_a_port_where_nobody_listens_is_unavailable_and_no_log_holds_the_url(notification, caplog):
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/sesame", notification(), ReceiverUnavailableError)
    assert str(error) == "Slack at 127.0.0.1: ConnectionError"
    assert "sesame" not in caplog.text + repr(receiver("http://127.0.0.1/sesame"))
