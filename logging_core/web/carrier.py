"""What goes with a message from a request to a background task, so that the records of both have one trace id.

A queue of your own does the same in two lines: `send(body, headers=carrier.outgoing())` in the request, and
`with LoggingContext(**carrier.incoming(headers)):` around the work.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from logging_core import context
from logging_core.sanitize import text_of
from logging_core.web.request_ids import well_formed

#: Which of the context's fields go along, besides the trace id.
CARRIED = ("request_id", "user_id")

_MAX_TEXT = 256  #: characters: every message pays for them
_LARGEST = 2**63  #: what brokers' integers hold


def outgoing(names: Iterable[str] = CARRIED) -> dict[str, Any]:
    """The trace id and the named fields that are in force here, as values that any broker takes; {} without any."""
    fields = context.fields()
    span = context.span_source() if context.span_source is not None else None
    trace_id = (span or fields).get("trace_id")
    found = {"trace_id": trace_id, **{name: fields.get(name) for name in names}}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def incoming(carried: object) -> dict[str, Any]:
    """What `outgoing` sent, without what no sender of ours would have sent, and no longer; {} where nothing came."""
    if not isinstance(carried, Mapping):
        return {}
    fields = {
        name: _plain(value)
        for name, value in carried.items()
        if isinstance(name, str) and name.isidentifier() and name != "self" and isinstance(value, str | int | float)
    }
    if "trace_id" in fields and not (isinstance(fields["trace_id"], str) and well_formed(fields["trace_id"])):
        del fields["trace_id"]
    return fields


def _plain(value: Any) -> str | int | float:
    kind = type(value)
    if kind is bool or (kind is int and abs(value) < _LARGEST) or (kind is float and isfinite(value)):
        return value  # type: ignore[no-any-return]  # it is one of these
    return text_of(value)[:_MAX_TEXT].encode("utf-8", "replace").decode()
