"""The ids that a request comes with, or is given: which service, which request, which trace.

    request_id   X-Request-ID where it is well-formed, else a new uuid4
    trace_id     the current span's (OpenTelemetry), else traceparent's, else X-Trace-ID where it is well-formed, else
                 the request id
    span_id      the current span's, else the caller's from traceparent, else none

What a client sends is taken only if it is well-formed: it ends up in files, in headers and on terminals.
"""

import re
from os import urandom
from typing import NamedTuple

from logging_core import context

_is_well_formed = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_VARIANTS = "89ab"


class TraceParent(NamedTuple):
    """The caller's place in its trace: 32 and 16 hex digits."""

    trace_id: str
    span_id: str


def well_formed(text: str | None) -> str | None:
    """The id, or None if it is not 1 to 128 of letters, digits and `._:/+=@-`."""
    return text if text is not None and _is_well_formed(text) else None


def new_request_id() -> str:
    """A uuid4, as text: as `str(uuid.uuid4())`, in a third of the time."""
    digits = urandom(16).hex()
    variant = _VARIANTS[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def parse_traceparent(header: str | None) -> TraceParent | None:
    """The header of W3C's Trace Context, or None if it breaks its rules (https://www.w3.org/TR/trace-context/)."""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, span_id, more = match.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id)


def fields_of(
    request_id: str | None = None, traceparent: str | None = None, x_trace_id: str | None = None
) -> dict[str, str]:
    """The context fields of a request that came with these headers: request_id, trace_id, and span_id if any."""
    request = well_formed(request_id) or new_request_id()
    if context.span_source is not None and (span := context.span_source()):
        return {"request_id": request, **span}
    if (parent := parse_traceparent(traceparent)) is not None:
        return {"request_id": request, "trace_id": parent.trace_id, "span_id": parent.span_id}
    return {"request_id": request, "trace_id": well_formed(x_trace_id) or request}
