"""Receivers, built from the configuration: one for each `slack_configs` entry and each mailbox of `email_configs`."""

from collections.abc import Iterator
from email.utils import getaddresses
from pathlib import Path

from pydantic import SecretStr

from alerts.config import Config, EmailConfig, Global, SlackConfig
from alerts.receivers.base import NO_SECRET, Receiver, Secret
from alerts.receivers.email import EmailReceiver
from alerts.receivers.slack import SlackReceiver


def build(config: Config, folder: Path) -> tuple[Receiver, ...]:
    """The receivers of the route. Paths in the configuration are relative to `folder`."""
    return tuple(_of_route(config, folder))


def _of_route(config: Config, folder: Path) -> Iterator[Receiver]:
    receiver = config.routed
    for index, slack in enumerate(receiver.slack_configs):
        yield _slack(f"{receiver.name}/slack/{index}", slack, config.defaults, folder)
    for index, email in enumerate(receiver.email_configs):
        # A server may refuse some mailboxes and take others: each has its own tries.
        for number, (_, mailbox) in enumerate(getaddresses([email.to])):
            name = f"{receiver.name}/email/{index}" + (f"/{number}" if number else "")
            yield _email(name, mailbox, email, config.defaults, folder)


def _slack(name: str, slack: SlackConfig, defaults: Global, folder: Path) -> SlackReceiver:
    own = _secret(slack.api_url, slack.api_url_file, folder)
    return SlackReceiver(
        name=name,
        send_resolved=slack.send_resolved,
        url=own or _secret(defaults.slack_api_url, defaults.slack_api_url_file, folder) or NO_SECRET,
        channel=slack.channel,
        username=slack.username,
        icon_emoji=slack.icon_emoji,
    )


def _email(name: str, mailbox: str, email: EmailConfig, defaults: Global, folder: Path) -> EmailReceiver:
    own = _secret(email.auth_password, email.auth_password_file, folder)
    host, _, port = (email.smarthost or defaults.smtp_smarthost or "").rpartition(":")
    return EmailReceiver(
        name=name,
        send_resolved=email.send_resolved,
        to=email.to,
        mailbox=mailbox,
        sender=email.sender or defaults.smtp_from or "",
        host=host.strip("[]"),
        port=int(port),
        hello=email.hello or defaults.smtp_hello,
        username=email.auth_username or defaults.smtp_auth_username,
        password=own or _secret(defaults.smtp_auth_password, defaults.smtp_auth_password_file, folder) or NO_SECRET,
        require_tls=defaults.smtp_require_tls if email.require_tls is None else email.require_tls,
        headers=email.headers,
    )


def _secret(value: SecretStr | None, file: Path | None, folder: Path) -> Secret | None:
    return Secret(value, folder / file if file else None) if value or file else None
