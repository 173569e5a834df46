"""Loki, by its push API in JSON (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs)."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from logging_core.background import Line
from logging_core.export.exporter import Exporter
from logging_core.export.extras import extra
from logging_core.export.fields import fields_of, level_name, nanoseconds
from logging_core.export.handler import ExportHandler, encoder_of
from logging_core.redaction import Redactor

with extra("loki"):
    from logging_core.export.endpoint import Endpoint

PATH = "/loki/api/v1/push"
MAX_LABELS = 12  #: of the user's own; Loki takes 15 in all
MAX_LOGGERS = 100  #: that become labels; those that come later are "other"
RACE = 1_000_000_000  #: nanoseconds by which threads may overtake each other; more is another clock
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METADATA = ("trace_id", "span_id", "request_id")  #: what is too varied for a label

Stream = tuple[str, ...]  #: the labels' values, which tell streams apart


class LokiSink(Exporter):
    """Pushes lines, whole, to streams that are told apart by few labels: `service`, `level`, and what is given here.

    Args:
        url: of Loki, such as `http://loki:3100`; with a name and password for basic authorisation, if need be.
        labels: further labels that are the same for all records, such as `{"env": "production"}`.
        logger_label: the logger's name is a label too; the first hundred names are.
        structured_metadata: trace, span and request ids go beside the line, where Loki 3 finds them without parsing.
        tenant: Loki's `X-Scope-OrgID`.
        username, password: basic authorisation.
        headers: further ones, such as a gateway's `Authorization`.
        ca_file: the certificates to trust, instead of the system's.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """

    def __init__(
        self,
        url: str,
        *,
        labels: Mapping[str, str] | None = None,
        logger_label: bool = False,
        structured_metadata: bool = False,
        tenant: str | None = None,
        username: str | None = None,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        plain = {"Content-Type": "application/json"}
        if tenant:
            plain["X-Scope-OrgID"] = tenant
        self._labels = _checked(labels or {})
        self._logger_label = logger_label
        self._structured_metadata = structured_metadata
        super().__init__(
            Endpoint(
                "Loki",
                url,
                path=PATH,
                headers=plain,
                secret_headers=headers,
                username=username,
                password=password,
                ca_file=ca_file,
            )
        )

    def _begin(self) -> None:
        super()._begin()
        self._last: dict[Stream, int] = {}  # nanoseconds of each stream's last record
        self._loggers: set[str] = set()

    def send(self, lines: Sequence[Line]) -> None:
        """Push the lines; see `Exporter.send`."""
        last = dict(self._last)  # taken over when all went well: what is sent again has the same times
        streams: dict[Stream, list[list[Any]]] = {}
        for line in lines:
            fields = fields_of(line)
            stream = self._stream(line, fields)
            last[stream] = at = _after(last.get(stream), nanoseconds(fields))
            entry: list[Any] = [str(at), line.body.decode().rstrip("\n")]
            if self._structured_metadata:
                entry.append({name: str(fields[name]) for name in _METADATA if fields.get(name)})
            streams.setdefault(stream, []).append(entry)
        body = [{"stream": self._named(stream), "values": entries} for stream, entries in streams.items()]
        self.endpoint.post(orjson.dumps({"streams": body}))
        self._last = last

    def _stream(self, line: Line, fields: dict[str, Any]) -> Stream:
        stream = (fields["service"], level_name(line))
        if not self._logger_label:
            return stream
        logger = str(fields["logger"])
        if logger not in self._loggers:
            if len(self._loggers) >= MAX_LOGGERS:
                return (*stream, "other")
            self._loggers.add(logger)
        return (*stream, logger)

    def _named(self, stream: Stream) -> dict[str, str]:
        return {**self._labels, **dict(zip(("service", "level", "logger"), stream, strict=False))}


def loki_handler(
    url: str,
    *,
    service: str | None = None,
    level: int | str = logging.NOTSET,
    max_records: int = 10_000,
    redact: bool | Redactor = True,
    **options: Any,
) -> ExportHandler:
    """A handler that sends records to Loki.

    Args:
        url: of Loki.
        service: the name of the application, a label; by default `TOCSIN_SERVICE`, else the running program's.
        level: as of any handler.
        max_records: that may wait while Loki is away.
        redact: whether secrets are taken out, or by which rules.
        options: those of `LokiSink`.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """
    return ExportHandler(LokiSink(url, **options), encoder_of(service, redact), level=level, max_records=max_records)


def _after(last: int | None, at: int) -> int:
    """The record's time, a nanosecond after the last one's if that is not past: Loki takes equal lines of equal time
    for one, and wants a stream in its order."""
    return last + 1 if last is not None and 0 <= last - at < RACE else at


def _checked(labels: Mapping[str, str]) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"labels: at most {MAX_LABELS}, not {len(labels)}")
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"labels.{name}: letters, digits and '_', and no digit nor '__' first")
        if name in ("service", "level", "logger"):
            raise ValueError(f"labels.{name}: is the record's own")
        if not value:
            raise ValueError(f"labels.{name}: must not be empty")
    return dict(labels)
