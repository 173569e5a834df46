import traceback

import pytest
from pydantic import SecretStr

from alerts import receivers
from alerts.config import for_webhook, load
from alerts.errors import ReceiverUnavailableError
from rules.errors import ConfigError

GOOD = """\
global:
  slack_api_url_file: slack.url
  smtp_smarthost: mail.example:587
  smtp_from: tocsin@example
  smtp_auth_username: tocsin
  smtp_auth_password: sesame
route: {receiver: ops}
receivers:
- name: ops
  slack_configs:
  - channel: '#ops'
  - {api_url: 'https://hooks.example/sesame', send_resolved: true}
  email_configs:
  - {to: 'a@example, b@example'}
  - {to: c@example, from: me@example, smarthost: 'other:465', require_tls: false, hello: me}
- name: others
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "alertmanager.yml"
        path.write_text(text)
        return path

    return write


def mistakes(path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_receivers_inherit_what_they_do_not_say(file, tmp_path):
    one, two, three, other, four = receivers.build(load(file(GOOD)), tmp_path)
    (tmp_path / "slack.url").write_text("https://hooks.example/from-file\n")
    assert (one.name, one.send_resolved, one.channel, one.url.read()) == (
        "ops/slack/0",
        False,
        "#ops",
        "https://hooks.example/from-file",
    )
    assert (two.name, two.send_resolved, two.url.read()) == ("ops/slack/1", True, "https://hooks.example/sesame")
    assert (three.name, three.sender, three.host, three.port) == ("ops/email/0", "tocsin@example", "mail.example", 587)
    assert (three.hello, three.username, three.password.read(), three.require_tls, three.send_resolved) == (
        "localhost",
        "tocsin",
        "sesame",
        True,
        False,
    )
    assert (other.name, other.mailbox, other.to) == ("ops/email/0/1", "b@example", "a@example, b@example")
    assert (four.sender, four.host, four.port, four.require_tls, four.hello) == (
        "me@example",
        "other",
        465,
        False,
        "me",
    )
    assert "sesame" not in repr((one, two, three, four))


def test_a_secret_file_that_is_missing_is_told_when_it_is_read(file, tmp_path):
    one, *_ = receivers.build(load(file(GOOD)), tmp_path)
    with pytest.raises(ReceiverUnavailableError, match=r"cannot read .*slack\.url: No such file"):
        one.url.read()


def test_slack_webhook_url_alone_is_one_receiver_that_tells_the_end_too(tmp_path):
    (only,) = receivers.build(for_webhook(SecretStr("https://hooks.example/x")), tmp_path)
    assert (only.name, only.send_resolved, only.url.read()) == ("slack/slack/0", True, "https://hooks.example/x")


def test_a_slack_webhook_url_that_is_none_is_a_mistake():
    with pytest.raises(ConfigError, match=r"^SLACK_WEBHOOK_URL: must be an http or https URL$"):
        for_webhook(SecretStr("sesame"))


def receiver(config):
    return f"route: {{receiver: ops}}\nreceivers:\n- name: ops\n  {config}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("receivers: []\n", ["1: route: missing"]),
        (
            "route:\n  receiver: ops\n  group_by: [x]\nreceivers: [{name: ops}]\ninhibit_rules: []\n",
            ["3: route.group_by: not supported yet", "5: inhibit_rules: not supported yet"],
        ),
        (
            receiver("webhook_configs: [{url: 'http://x/sesame'}]"),
            ["4: receivers[0].webhook_configs: not supported yet"],
        ),
        ("route: {receiver: dev}\nreceivers: [{name: ops}]\n", ["1: route.receiver: no receiver is named 'dev'"]),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n- name: ops\n",
            ["4: receivers[1].name: another receiver is named 'ops'"],
        ),
        (
            receiver("slack_configs: [{channel: x}]"),
            ["4: receivers[0].slack_configs[0]: no api_url, and no global slack_api_url"],
        ),
        (
            receiver("slack_configs: [{api_url: 'http://x/sesame', api_url_file: f}]"),
            ["4: receivers[0].slack_configs[0].api_url: api_url and api_url_file exclude each other"],
        ),
        (
            receiver("slack_configs: [{api_url: sesame}]"),
            ["4: receivers[0].slack_configs[0].api_url: must be an http or https URL"],
        ),
        (
            receiver("slack_configs: [{api_url: 'http://x', username: '{{ .x }}'}]"),
            ["4: receivers[0].slack_configs[0].username: templates are not supported yet"],
        ),
        (
            receiver("email_configs: [{to: a@example}]"),
            [
                "4: receivers[0].email_configs[0]: no smarthost, and no global smtp_smarthost",
                "4: receivers[0].email_configs[0]: no from, and no global smtp_from",
            ],
        ),
        (
            receiver("email_configs: [{to: a@example, smarthost: mail, from: b@example}]"),
            ["4: receivers[0].email_configs[0].smarthost: must be HOST:PORT"],
        ),
        (
            receiver("email_configs: [{to: a, smarthost: 'm:1', from: b, headers: {'X Y': z}}]"),
            ["4: receivers[0].email_configs[0].headers: 'X Y' is no name of a header"],
        ),
        (
            receiver("email_configs: [{to: 'a@b, <>', smarthost: 'm:99999', from: b}]"),
            [
                "4: receivers[0].email_configs[0].to: must be mailboxes, with commas between them",
                "4: receivers[0].email_configs[0].smarthost: must be HOST:PORT",
            ],
        ),
        (
            receiver("slack_configs: [{api_url: 'https://[hooks.example/sesame'}]"),
            ["4: receivers[0].slack_configs[0].api_url: must be an http or https URL"],
        ),
        (
            "global: {smtp_auth_password: sesame, smtp_auth_password_file: f}\n" + receiver(""),
            ["1: global.smtp_auth_password: smtp_auth_password and smtp_auth_password_file exclude each other"],
        ),
    ],
)
def test_each_mistake_is_named_with_its_line_and_key(file, text, expected):
    assert mistakes(file(text)) == expected


@pytest.mark.parametrize(
    ("held", "wrong"),
    [
        (None, r"cannot read .*slack\.url: No such file"),
        (b"https://h/\xff", r"cannot read .*slack\.url: not UTF-8 text"),
        (b"https://[hooks.example/sesame", r"slack\.url: must be an http or https URL"),
        (b"", r"slack\.url: must be an http or https URL"),
    ],
)
def test_a_receiver_is_checked_with_its_secret(file, tmp_path, held, wrong):
    one, *_ = receivers.build(load(file(GOOD)), tmp_path)
    if held is not None:
        (tmp_path / "slack.url").write_bytes(held)
    with pytest.raises(ReceiverUnavailableError, match=wrong) as caught:
        one.check()
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
