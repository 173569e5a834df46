from concurrent.futures import ThreadPoolExecutor

import pytest

from examples.sinks import Answer
from tasks.dispatch import routed_receivers
from tasks.email_tasks import send_alert_email
from tasks.notification_tasks import deliver, send_error_alert

DUE = "tocsin:alerts:due"
ONLY_SLACK = "route: {{receiver: ops}}\nreceivers: [{{name: ops, slack_configs: [{{api_url: '{}'}}]}}]\n"


@pytest.fixture
def ids(redis):
    return lambda: [each.decode() for each in redis.zrange(DUE, 0, -1)]


@pytest.fixture
def log(redis):
    return lambda: [entry for _, entry in redis.xrange("tocsin:alerts:log")]


@pytest.fixture
def only_slack(redis, configured, slack):
    configured(alertmanager=ONLY_SLACK.format(slack.url))
    return slack


def make_due(redis):
    for each in redis.zrange(DUE, 0, -1):
        redis.zadd(DUE, {each: 0})


def test_an_application_tells_of_its_error_and_a_repeat_is_not_told(
    redis, configured, alertmanager, slack, mail, ids, log
):
    configured(alertmanager=alertmanager)
    send_error_alert("ValueError", "bad \ud800 thing", request_id="r-1")
    send_error_alert("ValueError", "bad \ud800 thing", request_id="r-2")
    assert redis.llen("tocsin:celery:notify") == 2
    for notification_id in ids():
        deliver(notification_id)
    (post,) = slack.posts
    (shown,) = post.body["attachments"]
    assert shown["title"] == "[FIRING:1] ApplicationError"
    for part in ("`error_type=ValueError`", "`severity=critical`", "bad ? thing", "r-1"):
        assert part in shown["text"]
    assert mail.mails[0]["Subject"] == "[FIRING:1] ApplicationError"
    assert ids() == []
    assert [entry[b"outcome"] for entry in log()] == [b"delivered", b"delivered"]


def test_a_mail_alert_goes_to_mailboxes_alone(configured, alertmanager, slack, mail, ids):
    configured(alertmanager=alertmanager)
    send_alert_email("Disk almost full", "93 % of /var")
    for notification_id in ids():
        deliver(notification_id)
    assert slack.calls == 0
    assert mail.mails[0]["Subject"] == "[FIRING:1] Disk almost full"
    assert "93 % of /var" in mail.mails[0].get_body(("plain",)).get_content()


def test_two_workers_with_the_same_notification_post_once(only_slack, ids):
    send_error_alert("ValueError", "bad")
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(deliver, ids() * 2))
    assert only_slack.calls == 1


def test_a_delivery_that_failed_comes_back_and_is_told_once(redis, only_slack, ids, log):
    only_slack.answers += [Answer(500), Answer(429, {"Retry-After": "100"})]
    send_error_alert("ValueError", "bad")
    (only,) = ids()
    deliver(only)
    deliver(only)  # not due yet
    assert only_slack.calls == 1
    make_due(redis)
    deliver(only)
    assert 95 < redis.zscore(DUE, only) - redis.time()[0] < 102  # as Slack asked
    make_due(redis)
    deliver(only)
    assert len(only_slack.posts) == 1
    assert ids() == []
    assert [(entry[b"outcome"], entry[b"attempts"]) for entry in log()] == [(b"delivered", b"3")]


def test_a_refusal_is_logged_with_its_reason_and_without_the_secret(only_slack, ids, log, caplog):
    only_slack.answers.append(Answer(404, body="no_team"))
    send_error_alert("ValueError", "bad")
    deliver(*ids())
    assert ids() == []
    (entry,) = log()
    assert (entry[b"outcome"], entry[b"reason"]) == (b"rejected", b"Slack at 127.0.0.1: 404 no_team")
    assert "sesame" not in caplog.text


def test_a_receiver_that_is_gone_from_the_configuration_ends_its_notifications(configured, only_slack, ids, log):
    send_error_alert("ValueError", "bad")
    (only,) = ids()
    configured(alertmanager=ONLY_SLACK.format(only_slack.url).replace("ops", "others"))
    routed_receivers.cache_clear()
    deliver(only)
    assert log()[0][b"reason"] == b"no receiver is named ops/slack/0 any more"
