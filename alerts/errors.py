"""What can go wrong when people are told. A docstring here is the meaning of the error."""


class AlertError(Exception):
    """Base of the errors of this package."""


class ReceiverError(AlertError):
    """A notification was not delivered. The text never holds a secret."""


class ReceiverUnavailableError(ReceiverError):
    """The receiver could not take the notification now; trying again may help."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  #: seconds the receiver asked us to wait


class ReceiverUncertainError(ReceiverError):
    """The receiver had the whole notification and did not answer: it may have taken it, so one more try is enough."""


class ReceiverRejectedError(ReceiverError):
    """The receiver refused the notification; trying again will not help."""
