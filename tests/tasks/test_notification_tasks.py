import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from alerts.receivers import slack as slack_receiver
from examples.sinks import Answer
from tasks.dispatch import routed_receivers
from tasks.email_tasks import send_alert_email
from tasks.evaluate import evaluate
from tasks.notification_tasks import deliver, send_error_alert

DUE = "tocsin:{alerts}:due"
HOLD = "tocsin:{alerts}:hold:ops/slack/0"
FEW = "groups: [{name: test, rules: [{alert: FewErrors, expr: sum by (service) (log_errors_total) < 3}]}]\n"
ONLY_MAIL = "route: {{receiver: ops}}\nreceivers: [{{name: ops, email_configs: [{}]}}]\n"
ONLY_SLACK = "route: {{receiver: ops}}\nreceivers: [{{name: ops, slack_configs: [{{api_url: '{}'}}]}}]\n"


@pytest.fixture
def ids(redis):
    return lambda: [each.decode() for each in redis.zrange(DUE, 0, -1)]


@pytest.fixture
def log(redis):
    return lambda: [entry for _, entry in redis.xrange("tocsin:{alerts}:log")]


@pytest.fixture
def only_slack(redis, configured, slack):
    configured(alertmanager=ONLY_SLACK.format(slack.url))
    return slack


def make_due(redis):
    """Lets the time pass that all are waiting for."""
    redis.delete(HOLD)
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


def test_what_differs_in_a_number_alone_is_told_once(only_slack, ids):
    for number in range(30):
        send_error_alert("ValueError", f"order {number} failed")
    assert len(ids()) == 1
    send_error_alert("ValueError", "another thing failed")
    assert len(ids()) == 2


def test_that_nobody_is_told_is_said(redis, configured, ids, caplog):
    configured()
    send_error_alert("ValueError", "bad")
    assert ids() == []
    assert "nobody is told of ApplicationError" in caplog.text


def test_a_receiver_that_asks_for_a_rest_has_it_from_all_notifications(redis, only_slack, ids):
    only_slack.answers.append(Answer(429, {"Retry-After": "100"}))
    for word in ("one", "two", "three"):
        send_error_alert("ValueError", word)
    for notification_id in ids():
        deliver(notification_id)
    assert only_slack.calls == 1
    now, _ = redis.time()
    assert all(95 < due - now < 102 for _, due in redis.zrange(DUE, 0, -1, withscores=True))
    make_due(redis)
    for notification_id in ids():
        deliver(notification_id)
    assert len(only_slack.posts) == 3


def test_a_receiver_that_names_no_time_is_not_hammered(redis, only_slack, ids):
    only_slack.answers += [Answer(503, {"Retry-After": "0"})] * 9
    send_error_alert("ValueError", "bad")
    for _ in range(5):
        deliver(*ids())
    assert only_slack.calls == 1


def test_a_post_without_an_answer_is_tried_once_more_and_then_uncertain(redis, configured, monkeypatch, ids, log):
    monkeypatch.setattr(slack_receiver, "TIMEOUT", (3.05, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configured(alertmanager=ONLY_SLACK.format(f"http://127.0.0.1:{silent.getsockname()[1]}/sesame"))
        send_error_alert("ValueError", "bad")
        deliver(*ids())
        make_due(redis)
        deliver(*ids())
    assert ids() == []
    assert [(entry[b"outcome"], entry[b"attempts"]) for entry in log()] == [(b"uncertain", b"2")]


def test_what_a_receiver_raises_is_put_back_like_any_failure(redis, configured, mail, ids, caplog):
    receiver = f"{{to: a@example, from: b@example, smarthost: '{mail.smarthost}', require_tls: false, %s}}"
    configured(alertmanager=ONLY_MAIL.format(receiver % "auth_username: me, auth_password: gehäim-sesame"))
    send_error_alert("ValueError", "bad")
    (only,) = ids()
    deliver(only)
    assert redis.zscore(DUE, only) - redis.time()[0] < 5
    assert "waits" in caplog.text
    assert "sesame" not in caplog.text


def test_a_mailbox_that_is_refused_is_tried_again_alone(redis, configured, mail, ids):
    receiver = f"{{to: 'a@example, b@example', from: c@example, smarthost: '{mail.smarthost}', require_tls: false}}"
    configured(alertmanager=ONLY_MAIL.format(receiver))
    mail.answers.append("450 greylisted")
    send_error_alert("ValueError", "bad")
    for _ in range(2):
        for notification_id in ids():
            deliver(notification_id)
        make_due(redis)
    assert sorted(mail.mailboxes) == ["a@example", "b@example"]
    assert ids() == []


def test_the_last_word_on_an_alert_is_the_truth(redis, configured, slack, count_errors, ids, log):
    told = ONLY_SLACK.format(slack.url).replace("api_url", "send_resolved: true, api_url")
    configured(alertmanager=told, rules=FEW)
    slack.answers.append(Answer(500))
    count_errors(1, service="shop")
    evaluate()
    (firing,) = ids()
    deliver(firing)  # Slack is away
    count_errors(9, service="shop")
    evaluate()
    for notification_id in ids():
        deliver(notification_id)
    make_due(redis)
    deliver(firing)
    assert [post.body["attachments"][0]["title"] for post in slack.posts] == ["[RESOLVED] FewErrors (shop)"]
    assert sorted(entry[b"outcome"] for entry in log()) == [b"delivered", b"superseded"]
    assert ids() == []
