"""Sentry: records of level ERROR become events, the records before them in the same trace their breadcrumbs.

Events are made of our records, which are redacted, and posted in envelopes by a queue that waits while Sentry is away
(https://develop.sentry.dev/sdk/foundations/transport/envelopes/). An application that runs sentry-sdk too, with its
logging integration, tells the same project of the same errors: then this leaves them to it, and `before_send` gives its
events our ids and our redaction.
"""

import logging
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from logging_core import context, redaction
from logging_core.background import Line
from logging_core.export.exporter import Exporter
from logging_core.export.extras import extra
from logging_core.export.fields import Fields, fields_of, level_name, level_of, span_id, trace_id
from logging_core.export.handler import ExportHandler, encoder_of
from logging_core.export.stack import Frame, Raised, chain
from logging_core.redaction import Redactor

with extra("sentry"):
    import sentry_sdk
    from sentry_sdk.utils import BadDsn, Dsn

    from logging_core.export.endpoint import Endpoint

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

CRUMBS, TRACES = 30, 100  #: breadcrumbs of one trace, traces that are remembered
MAX_CRUMB, MAX_TAG = 500, 200  #: characters
QUOTA_WAIT = 60.0  #: seconds to leave Sentry alone that has too many events and names no time, as its SDKs do
_CLIENT = "tocsin"
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "fatal"}
#: What stands elsewhere in an event than among its extra fields.
_ELSEWHERE = frozenset({"timestamp", "level", "logger", "message", "error", "service", "alert"})
_TAGS = ("service", "trace_id", "request_id", "channel", "endpoint")  #: what events are found by


class SentrySink(Exporter):
    """Sends an event for each record of at least `event_level`, save those that say `alert: false`.

    Args:
        dsn: of the project.
        environment, release: as Sentry knows them.
        event_level: the least level of which records become events.
        ca_file: the certificates to trust, instead of the system's.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """

    max_lines = 1  # an envelope holds one event, and a breadcrumb is laid once

    def __init__(
        self,
        dsn: str,
        *,
        environment: str | None = None,
        release: str | None = None,
        event_level: int | str = logging.ERROR,
        ca_file: str | None = None,
    ) -> None:
        self._dsn = _parsed(dsn)
        self._event_level = _level(event_level)
        known = {"environment": environment, "release": release, "server_name": socket.gethostname()}
        self._constant = {name: value for name, value in known.items() if value}
        auth = self._dsn.to_auth(_CLIENT)
        super().__init__(
            Endpoint(
                "Sentry",
                auth.get_api_url(),
                headers={"Content-Type": "application/x-sentry-envelope"},
                secret_headers={"X-Sentry-Auth": auth.to_header()},
                secrets=[part for part in (self._dsn.public_key, self._dsn.secret_key) if part],
                ca_file=ca_file,
                default_wait=QUOTA_WAIT,
            )
        )

    def _begin(self) -> None:
        super()._begin()
        self._crumbs: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()  # by trace, the latest last

    def send(self, lines: Sequence[Line]) -> None:
        """Send an event, or lay a breadcrumb; see `Exporter.send`."""
        (line,) = lines
        fields = fields_of(line)
        trail = self._trail(fields)
        if (
            level_of(line) >= self._event_level
            and fields.get("alert") is not False
            and not self._is_told_by_the_sdk(line)
        ):
            event = self._event(line, fields)
            event["breadcrumbs"] = {"values": list(trail)}
            self.endpoint.post(_envelope(event))
        trail.append(_crumb(line, fields))

    def _trail(self, fields: Fields) -> deque[dict[str, Any]]:
        """The breadcrumbs of this record's trace; of its thread, where it is of none."""
        name = fields.get("trace_id")
        name = name if isinstance(name, str) else f"thread {fields.get('thread')}"
        trail = self._crumbs.setdefault(name, deque(maxlen=CRUMBS))
        self._crumbs.move_to_end(name)
        if len(self._crumbs) > TRACES:
            self._crumbs.popitem(last=False)
        return trail

    def _is_told_by_the_sdk(self, line: Line) -> bool:
        """Whether the application's own sentry-sdk tells the same project of such a record."""
        client = sentry_sdk.get_client()
        theirs, ours = client.parsed_dsn, self._dsn
        if theirs is None or (theirs.netloc, theirs.path, theirs.project_id) != (
            ours.netloc,
            ours.path,
            ours.project_id,
        ):
            return False
        events = getattr(client.get_integration("logging"), "_handler", None)
        return events is not None and level_of(line) >= events.level

    def _event(self, line: Line, fields: Fields) -> dict[str, Any]:
        event_id = self.identity(0)
        event: dict[str, Any] = {
            **self._constant,
            "event_id": event_id,
            "timestamp": fields["timestamp"],
            "platform": "python",
            "level": _LEVELS[level_name(line)],
            "logger": str(fields["logger"]),
            "logentry": {"formatted": str(fields["message"])},
            "tags": {name: str(fields[name])[:MAX_TAG] for name in _TAGS if fields.get(name)},
            "extra": {name: value for name, value in fields.items() if name not in _ELSEWHERE},
            "sdk": {"name": _CLIENT, "version": "1"},
        }
        if "user_id" in fields:
            event["user"] = {"id": str(fields["user_id"])}
        if isinstance(fields.get("endpoint"), str):
            event["transaction"] = fields["endpoint"]
        if trace := trace_id(fields):
            event["contexts"] = {"trace": {"trace_id": trace, "span_id": span_id(fields) or event_id[-16:]}}
        error = fields.get("error")
        if isinstance(error, dict) and isinstance(error.get("type"), str):
            event["exception"] = {"values": _exceptions(error, handled=fields.get("event") != "unhandled_exception")}
        return event


def sentry_handler(
    dsn: str,
    *,
    service: str | None = None,
    level: int | str = logging.NOTSET,
    max_records: int = 10_000,
    redact: bool | Redactor = True,
    **options: Any,
) -> ExportHandler:
    """A handler that tells Sentry of errors, and of what came before them.

    Args:
        dsn: of the project.
        service: the name of the application, a tag; by default `TOCSIN_SERVICE`, else the running program's.
        level: as of any handler: of breadcrumbs, that is.
        max_records: that may wait while Sentry is away.
        redact: whether secrets are taken out, or by which rules.
        options: those of `SentrySink`.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """
    return ExportHandler(SentrySink(dsn, **options), encoder_of(service, redact), level=level, max_records=max_records)


def before_send(service: str | None = None, *, redact: bool | Redactor = True) -> "Callable[[Event, Hint], Event]":
    """What to give to `sentry_sdk.init(before_send=...)`: its events get our ids, and are redacted by our rules.

    Args:
        service: the name of the application, a tag.
        redact: whether secrets are taken out, or by which rules.
    """
    redactor = redaction.chosen(redact)

    def processed(event: "Event", hint: "Hint") -> "Event":
        fields = {"service": service, **context.fields()}
        tags = {name: str(fields[name])[:MAX_TAG] for name in _TAGS if fields.get(name)}
        event["tags"] = {**tags, **dict(event.get("tags") or {})}
        cleaned: Any = redactor.clean(event) if redactor else event
        return cleaned  # type: ignore[no-any-return]

    return processed


def _envelope(event: Mapping[str, Any]) -> bytes:
    payload = orjson.dumps(event)
    head = orjson.dumps({"event_id": event["event_id"]})
    return b"\n".join((head, orjson.dumps({"type": "event", "length": len(payload)}), payload, b""))


def _crumb(line: Line, fields: Fields) -> dict[str, Any]:
    return {
        "timestamp": fields["timestamp"],
        "level": _LEVELS[level_name(line)],
        "category": str(fields["logger"]),
        "message": str(fields["message"])[:MAX_CRUMB],
    }


def _exceptions(error: Mapping[str, Any], *, handled: bool) -> list[dict[str, Any]]:
    raised = chain(str(error.get("stack", "")), error["type"], str(error.get("message", "")))
    values = [_exception(each) for each in raised]
    values[-1]["mechanism"] = {"type": "logging", "handled": handled}
    return values


def _exception(raised: Raised) -> dict[str, Any]:
    module, _, name = raised.type.rpartition(".")
    value: dict[str, Any] = {"type": name, "value": raised.message}
    if module:
        value["module"] = module
    if raised.frames:
        value["stacktrace"] = {"frames": [_frame(frame) for frame in raised.frames]}
    return value


def _frame(frame: Frame) -> dict[str, Any]:
    found = {
        "abs_path": frame.path,
        "filename": frame.filename,
        "module": frame.module,
        "function": frame.function,
        "lineno": frame.line,
        "context_line": frame.code,
        "in_app": frame.in_app,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _parsed(dsn: str) -> Dsn:
    try:
        parsed = Dsn(dsn)
    except (BadDsn, ValueError):  # whose texts hold parts of it
        raise ValueError("dsn: must be as Sentry shows it, https://KEY@HOST/PROJECT") from None
    return parsed


def _project(dsn: Dsn) -> str:
    return dsn.to_auth().get_api_url()


def _level(level: int | str) -> int:
    number = level if isinstance(level, int) else logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"event_level: {level!r} is no level")
    return number
