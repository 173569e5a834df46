"""Slack, by incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from alerts.config import is_http_url
from alerts.errors import ReceiverRejectedError, ReceiverUnavailableError, ReceiverUncertainError
from alerts.model import Alert, State
from alerts.notification import Notification
from alerts.receivers.base import Secret, reason

TIMEOUT = (3.05, 30.0)  #: seconds to connect, and between two bytes of the answer
MAX_ALERTS = 10  #: shown in full in one message
MAX_BLOCKS = 30_000  #: characters of all alerts together, as they are sent; Slack refuses a message of 40,000
MAX_LABEL = 300  #: of the value of one label
MAX_TITLE = 1024
MAX_EVIDENCE = 500
MAX_TEXT = 1000  #: of one annotation
MAY_PASS = {408, 429}  #: answers below 500 after which another try may go well: timeout, too many requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackReceiver:
    """One incoming webhook."""

    name: str
    send_resolved: bool
    url: Secret
    channel: str | None = None
    username: str | None = None
    icon_emoji: str | None = None

    def check(self) -> None:
        """Reads the URL; see `Receiver.check`."""
        self._address()

    def deliver(self, notification: Notification, now: float) -> None:
        """Posts one message; see `Receiver.deliver`."""
        url = self._address()
        where = f"Slack at {urlsplit(url).hostname}"
        try:
            answer = requests.post(url, json=self._body(notification), timeout=TIMEOUT, allow_redirects=False)
        except requests.ReadTimeout:
            raise ReceiverUncertainError(f"{where}: no answer") from None
        except requests.RequestException as error:  # its text holds the URL, which is the secret
            raise ReceiverUnavailableError(f"{where}: {type(error).__name__}") from None
        if requests.codes.ok <= answer.status_code < requests.codes.multiple_choices:
            return
        said = f"{where}: {answer.status_code} {reason(answer.content, url, urlsplit(url).path)}".rstrip()
        if answer.status_code in MAY_PASS or answer.status_code >= requests.codes.server_error:
            raise ReceiverUnavailableError(said, retry_after=_retry_after(answer, now))
        raise ReceiverRejectedError(said)

    def _address(self) -> str:
        url = self.url.read()
        if not is_http_url(url):
            raise ReceiverUnavailableError(f"{self.url.file or 'api_url'}: must be an http or https URL")
        return url

    def _body(self, notification: Notification) -> dict[str, Any]:
        own = {"channel": self.channel, "username": self.username, "icon_emoji": self.icon_emoji}
        return {**{key: value for key, value in own.items() if value}, "attachments": [attachment(notification)]}


def attachment(notification: Notification) -> dict[str, Any]:
    """The notification as one Slack attachment; nothing in it that came from a log can mention anyone or be a link."""
    title = escape(notification.title[:MAX_TITLE])
    blocks = _blocks(notification.alerts[:MAX_ALERTS])
    if len(notification.alerts) > len(blocks):
        blocks.append(f"+{len(notification.alerts) - len(blocks)} more")
    return {
        "color": _color(notification),
        "title": title,
        "fallback": title,
        "text": "\n\n".join(blocks),
        "fields": [
            {"title": name, "value": escape(value[:MAX_LABEL]), "short": True}
            for name, value in _shared(notification).items()
        ],
        "mrkdwn_in": ["text"],
        "footer": "Tocsin",
        "ts": int(notification.created_at),
    }


def escape(text: str) -> str:
    """Plain text for Slack: no mention, link or code is read into it, and it cannot leave a code block."""
    text = text.replace("`", "'")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("://", ":\u200b//").replace("mailto:", "mailto\u200b:")


def _blocks(alerts: Sequence[Alert]) -> list[str]:
    """Those of the first alerts that have room, as they are sent: `&` alone becomes five characters."""
    blocks: list[str] = []
    room = MAX_BLOCKS
    for alert in alerts:
        block = "\n".join(_lines(alert))
        room -= len(block)
        if room < 0:
            break
        blocks.append(block)
    return blocks


def _lines(alert: Alert) -> Iterator[str]:
    yield f"*{escape(alert.name)}* {alert.state}, value {alert.value:g}"
    for name in ("summary", "description", "request_id"):
        if text := alert.annotations.get(name):
            yield escape(text[:MAX_TEXT])
    labels = sorted((name, value) for name, value in alert.labels.items() if name != "alertname")
    yield " ".join(f"`{escape(name)}={escape(value[:MAX_LABEL])}`" for name, value in labels)
    if alert.evidence and alert.state is State.FIRING:
        yield f"```{escape(alert.evidence[:MAX_EVIDENCE])}```"


def _color(notification: Notification) -> str:
    if notification.state is not State.FIRING:
        return "good"
    firing = [alert for alert in notification.alerts if alert.state is State.FIRING]
    return "warning" if all(alert.labels.get("severity") == "warning" for alert in firing) else "danger"


def _shared(notification: Notification) -> dict[str, str]:
    """The labels that all its alerts have in common."""
    first, *others = [alert.labels.items() for alert in notification.alerts]
    common = set(first).intersection(*others)
    return {name: value for name, value in sorted(common) if name != "alertname"}


def _retry_after(answer: requests.Response, now: float) -> float | None:
    """Seconds to wait: the header in seconds or as a date, else the body's `retry_after`."""
    header = answer.headers.get("Retry-After", "")
    ways: tuple[Callable[[], float], ...] = (
        lambda: float(int(header)),
        lambda: parsedate_to_datetime(header).timestamp() - now,
        lambda: float(int(answer.json()["retry_after"])),
    )
    for read in ways:
        try:
            return max(read(), 0.0)
        except (ValueError, KeyError, TypeError, OverflowError):
            pass
    return None
