"""The handler around an exporter."""

import logging
from typing import Any

from logging_core import redaction
from logging_core.background import BackgroundHandler
from logging_core.export.exporter import Exporter
from logging_core.record import Encoder
from logging_core.redaction import Redactor
from logging_core.service import service_name

#: The threads of all exporters. What HTTP libraries say in one of them goes to none of them: it would never end.
_THREADS: set[int | None] = set()


class ExportHandler(BackgroundHandler):
    """Queues each record, and has a thread send them on; see `BackgroundHandler`.

    Args:
        exporter: where records go.
        encoder: makes a line of a record.
        max_records: that may wait while the receiver is away.
        level: as of any handler.
    """

    sink: Exporter

    def __init__(
        self,
        exporter: Exporter,
        encoder: Encoder,
        *,
        max_records: int = 10_000,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(exporter, encoder, max_records=max_records, level=level)
        self.own_threads = _THREADS

    def stats(self) -> dict[str, Any]:
        """As of any `BackgroundHandler`; what the receiver refused for good is `dropped`, and not `written`."""
        stats = super().stats()
        refused = min(self.sink.refused, stats["written"])
        if not refused:
            return stats
        return stats | {"written": stats["written"] - refused, "dropped": stats["dropped"] | {"refused": refused}}


def encoder_of(service: str | None, redact: bool | Redactor) -> Encoder:  # noqa: FBT001  # handlers pass it on
    """The encoder of a handler that stands alone.

    Args:
        service: by default `TOCSIN_SERVICE`, else the name of the running program.
        redact: whether secrets are taken out, or by which rules.

    Raises:
        ValueError: no name of a service.
    """
    return Encoder(service_name(service), redactor=redaction.chosen(redact))
