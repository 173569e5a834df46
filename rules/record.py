"""A record as the workers see it: the decoded half of what `logging_core.record` encoded."""

from datetime import UTC, datetime

import msgspec


class ErrorInfo(msgspec.Struct, gc=False):
    """The exception that a record carries."""

    type: str = ""
    message: str = ""
    stack: str = ""


class Record(msgspec.Struct, gc=False):
    """The fields that counting, grouping and alerting look at; all others stay in the bytes."""

    timestamp: datetime = datetime.fromtimestamp(0, UTC)  #: aware, UTC
    level: str = "INFO"
    logger: str = ""
    message: str = ""
    service: str = ""
    error: ErrorInfo | None = None
