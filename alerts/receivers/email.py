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
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from alerts.errors import (
    ReceiverError,
    ReceiverRejectedError,
    ReceiverUnavailableError,
    ReceiverUncertainError,
)
from alerts.notification import Notification
from alerts.receivers.base import NO_SECRET, Secret, reason

TIMEOUT = 10.0  #: seconds for each step of the conversation
DATA_TIMEOUT = 60.0  #: seconds for the last step; servers look for spam and viruses before they answer
GO_ON = 354  #: the server's answer to DATA: it waits for the mail
IMPLICIT_TLS_PORT = 465
PERMANENT = 500  #: SMTP codes from here on are final


class _Conversation(smtplib.SMTP):
    """SMTP that is patient with the mail itself, and knows whether the server may have it already."""

    may_have_it = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hands the mail over."""
        if self.sock:
            self.sock.settimeout(DATA_TIMEOUT)
        return super().data(msg)

    def getreply(self) -> tuple[int, bytes]:
        """The server's answer to what was sent last."""
        code, said = super().getreply()
        self.may_have_it = code == GO_ON
        return code, said


class _SecretConversation(_Conversation, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailReceiver:
    """A mailbox of an `email_configs` entry, and the server that takes mail for it."""

    name: str
    send_resolved: bool
    to: str  #: all mailboxes of the entry, as the mail shows them
    mailbox: str  #: the one that this mail goes to
    sender: str
    host: str
    port: int
    hello: str = "localhost"
    username: str | None = None
    password: Secret = NO_SECRET
    require_tls: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Reads the password; see `Receiver.check`."""
        if not self.password.read().isascii():
            raise ReceiverUnavailableError(f"{self.name}: the password is not ASCII text, so no login is possible")

    def deliver(self, notification: Notification, now: float) -> None:
        """Sends one mail; see `Receiver.deliver`."""
        self.check()
        password = self.password.read()
        message = self.message(notification, now)
        try:
            smtp = self._connection()
        except (smtplib.SMTPException, OSError) as error:
            raise self._translated(error, password) from None
        try:
            self._send(smtp, message, password)
        except (smtplib.SMTPException, OSError) as error:
            if smtp.may_have_it:
                raise ReceiverUncertainError(f"{self._where}: no answer to the mail") from None
            raise self._translated(error, password) from None
        finally:
            smtp.close()

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

    def _send(self, smtp: smtplib.SMTP, message: EmailMessage, password: str) -> None:
        if self.require_tls and self.port != IMPLICIT_TLS_PORT:
            smtp.starttls(context=ssl.create_default_context())
        if self.username:
            smtp.login(self.username, password)
        smtp.send_message(message, to_addrs=[self.mailbox])
        with suppress(smtplib.SMTPException, OSError):  # the mail is taken: a bad goodbye must not send it again
            smtp.quit()

    def _connection(self) -> _Conversation:
        if self.port == IMPLICIT_TLS_PORT:
            context = ssl.create_default_context()
            return _SecretConversation(self.host, self.port, self.hello, timeout=TIMEOUT, context=context)
        return _Conversation(self.host, self.port, self.hello, timeout=TIMEOUT)

    @property
    def _where(self) -> str:
        return f"SMTP server {self.host}:{self.port}"

    def _translated(self, error: smtplib.SMTPException | OSError, password: str) -> ReceiverError:
        where = self._where
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
