"""What can become of a request."""


class UnavailableError(OSError):
    """The receiver could not be asked, or has to be asked again later; nothing that was sent now is lost."""


class RefusedError(Exception):
    """The receiver refused the request; the same request again would not help."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
