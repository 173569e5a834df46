"""What every receiver is, and how its secrets stay out of every text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from alerts.errors import ReceiverUnavailableError
from alerts.notification import Notification

MAX_REASON = 200  #: characters of a server's answer that go into an error


class Receiver(Protocol):
    """One place where people are told."""

    @property
    def name(self) -> str:
        """Unique, such as `ops/slack/0`."""

    @property
    def send_resolved(self) -> bool:
        """Whether the end of an alert is told too."""

    def deliver(self, notification: Notification, now: float) -> None:
        """Hands the notification over; `now` in Unix seconds.

        Raises:
            ReceiverUnavailableError: for what may go well another time.
            ReceiverRejectedError: for what will not.
        """


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, or the file that holds it, read each time so that it may change."""

    value: SecretStr | None = None
    file: Path | None = None

    def read(self) -> str:
        """The secret itself; empty where there is none."""
        if self.file is None:
            return self.value.get_secret_value() if self.value else ""
        try:
            return self.file.read_text().strip()
        except OSError as error:
            raise ReceiverUnavailableError(f"cannot read {self.file}: {error.strerror}") from None


NO_SECRET = Secret()


def reason(answer: bytes | str, *secrets: str) -> str:
    """What a server answered, in one short line, with no secret that it may repeat."""
    text = answer if isinstance(answer, str) else answer.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "<secret>")
    return " ".join(text.split())[:MAX_REASON]
