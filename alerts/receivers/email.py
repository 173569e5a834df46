"""Email, by SMTP: one message with a text and an HTML part."""

import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from alerts.errors import ReceiverError, ReceiverRejectedError, ReceiverUnavailableError
from alerts.notification import Notification
from alerts.receivers.base import NO_SECRET, Secret, reason

TIMEOUT = 10.0  #: seconds for each step of the conversation
IMPLICIT_TLS_PORT = 465
PERMANENT = 500  #: SMTP codes from here on are final


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailReceiver:
    """One `email_configs` entry: mailboxes, and the server that takes mail for them."""

    name: str
    send_resolved: bool
    to: str
    sender: str
    host: str
    port: int
    hello: str = "localhost"
    username: str | None = None
    password: Secret = NO_SECRET
    require_tls: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def deliver(self, notification: Notification, now: float) -> None:
        """Sends one mail; see `Receiver.deliver`."""
        password = self.password.read()
        try:
            self._send(self.message(notification, now), password)
        except (smtplib.SMTPException, OSError) as error:
            raise self._translated(error, password) from None

    def message(self, notification: Notification, now: float) -> EmailMessage:
        """The mail; its Message-Id is the same each time the notification is tried."""
        message = EmailMessage()
        domain = parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"
        for name, value in {
            "From": self.sender,
            "To": self.to,
            "Subject": notification.title,
            "Date": format_datetime(datetime.fromtimestamp(now, UTC)),
            "Message-Id": f"<{notification.id}@{domain}>",
            **self.headers,
        }.items():
            del message[name]
            message[name] = " ".join(value.split())  # no line end gets into a header
        message.set_content(_templates().get_template("email.txt").render(notification=notification))
        html = _templates().get_template("email.html").render(notification=notification)
        message.add_alternative(html, subtype="html")
        return message

    def _send(self, message: EmailMessage, password: str) -> None:
        smtp = self._connection()
        try:
            if self.require_tls and self.port != IMPLICIT_TLS_PORT:
                smtp.starttls(context=ssl.create_default_context())
            if self.username:
                smtp.login(self.username, password)
            smtp.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # the mail is taken: a bad goodbye must not send it again
                smtp.quit()
        finally:
            smtp.close()

    def _connection(self) -> smtplib.SMTP:
        if self.port == IMPLICIT_TLS_PORT:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, self.hello, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(self.host, self.port, self.hello, timeout=TIMEOUT)

    def _translated(self, error: smtplib.SMTPException | OSError, password: str) -> ReceiverError:
        where = f"SMTP server {self.host}:{self.port}"
        said: bytes | str
        match error:
            case smtplib.SMTPRecipientsRefused():
                code, said = min(error.recipients.values())
            case smtplib.SMTPResponseException():
                code, said = error.smtp_code, error.smtp_error
            case smtplib.SMTPNotSupportedError():
                return ReceiverUnavailableError(f"{where}: {reason(str(error), password)}")
            case _:
                return ReceiverUnavailableError(f"{where}: {type(error).__name__}")
        text = f"{where}: {code} {reason(said, password)}"
        return ReceiverRejectedError(text) if code >= PERMANENT else ReceiverUnavailableError(text)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("alerts"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
