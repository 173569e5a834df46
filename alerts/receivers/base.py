"""What every receiver is, and how its secrets stay out of every text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from alerts.errors import ReceiverError, ReceiverUnavailableError
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

    def check(self) -> None:
        """Looks at what it is made of, its secrets too, and sends nothing.

        Raises:
            ReceiverError: it cannot deliver anything as it is.
        """

    def deliver(self, notification: Notification, now: float) -> None:
        """Hands the notification over; `now` in Unix seconds.

        Raises:
            ReceiverUnavailableError: for what may go well another time.
            ReceiverUncertainError: for what may have gone well.
            ReceiverRejectedError: for what will not.
        """


def hand_over(receiver: Receiver, notification: Notification, now: float) -> None:
    """Delivers the notification, and lets nothing through but a `ReceiverError`.

    Raises:
        ReceiverError: any other error too; without its text, which may hold a secret.
    """
    try:
        receiver.deliver(notification, now)
    except ReceiverError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a library raises on odd input must not lose the notification
        raise ReceiverUnavailableError(f"{receiver.name}: {type(error).__name__}") from None


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
        except UnicodeDecodeError:
            raise ReceiverUnavailableError(f"cannot read {self.file}: not UTF-8 text") from None


NO_SECRET = Secret()


def reason(answer: bytes | str, *secrets: str) -> str:
    """What a server answered, in one short line, with no secret that it may repeat."""
    text = answer if isinstance(answer, str) else answer.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "<secret>")
    return " ".join(text.split())[:MAX_REASON]
