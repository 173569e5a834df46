"""The handler around an exporter."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from logging_core.background import BackgroundHandler
from logging_core.export.exporter import Exporter
from logging_core.record import Encoder
from logging_core.stream import SERVICE_NAME

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


def encoder_of(service: str | None) -> Encoder:
    """The encoder for this service; by default `TOCSIN_SERVICE`, else the name of the running program.

    Raises:
        ValueError: no name of a service.
    """
    name = service or os.environ.get("TOCSIN_SERVICE") or Path(sys.argv[0] if sys.argv else "").stem
    if SERVICE_NAME.fullmatch(name):
        return Encoder(name)
    if service:
        raise ValueError(f"service: letters, digits, '_', '.' and '-', at most 64, not {service!r}")
    return Encoder("app")
