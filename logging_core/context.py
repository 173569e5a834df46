"""What all records of a request, a task or a block have in common: its trace id, its user, whatever was bound.

The fields live in one context variable, so threads, asyncio tasks and greenlets each have their own. A `with` block is
a link in a chain, and takes out its own link when it ends, so blocks that end in another order than they began in
(generators) leave no field behind and take none of another's away.
"""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Link:
    """A block's own fields on top of those below; or, with no owner, all fields as they were set within a block."""

    __slots__ = ("below", "cache", "fields", "own", "owner")

    def __init__(self, below: "Link | None", own: Mapping[str, Any], owner: object = None) -> None:
        self.below = below
        self.own = own
        self.owner = owner  #: the block that takes it out again
        self.fields: dict[str, Any] = {**below.fields, **own} if below and owner else dict(own)  #: all in force here
        self.cache: dict[object, Any] = {}  #: what encoders made of the fields, by encoder


#: What is in force in this thread, task or greenlet.
current: ContextVar[Link | None] = ContextVar("tocsin_context", default=None)

#: Who knows of the current span (OpenTelemetry's, for one): {"trace_id", "span_id"}, or None outside of any.
Spans = Callable[[], Mapping[str, str] | None]
span_source: Spans | None = None


def fields() -> Mapping[str, Any]:
    """The fields in force; not to be changed."""
    link = current.get()
    return _NOTHING if link is None else link.fields


def set_fields(**values: Any) -> None:
    """Set fields until `clear`, or until the block around the call ends; None takes a field out."""
    merged = {**fields(), **values}
    current.set(Link(_innermost_block(), {name: value for name, value in merged.items() if value is not None}))


def clear() -> None:
    """Take out all fields, for as long as the block around the call lasts."""
    block = _innermost_block()
    current.set(Link(block, {}) if block else None)


def _innermost_block() -> Link | None:
    link = current.get()
    return link.below if link is not None and link.owner is None else link


def new_trace_id() -> str:
    """32 hex digits, as W3C's trace context has them."""
    return os.urandom(16).hex()


def use_spans(source: Spans | None) -> None:
    """From now on each record carries the ids of the span that this knows of; they win over fields that were set."""
    global span_source
    span_source = source


class LoggingContext:
    """A block in which each record carries these fields; afterwards it is as before, whatever was set in between.

    Without a trace id, given or in force, it begins a trace of its own. Blocks nest, the inner fields win; one instance
    may be entered again, also by several threads. `async with` does the same.
    """

    def __init__(self, /, trace_id: str | None = None, span_id: str | None = None, **fields: Any) -> None:
        given = {"trace_id": trace_id, "span_id": span_id, **fields}
        self._fields = {name: value for name, value in given.items() if value is not None}

    def __enter__(self) -> "LoggingContext":
        link = current.get()
        own = self._fields
        if "trace_id" not in own and (link is None or "trace_id" not in link.fields):
            own = {"trace_id": new_trace_id(), **own}
        current.set(Link(link, own, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        link = current.get()
        above: list[Link] = []  # of blocks that began later and have not ended: generators
        while link is not None and link.owner is not self:
            if link.owner is not None:
                above.append(link)
            link = link.below
        if link is None:
            return  # ended in another thread or task than it began in
        below = link.below
        for each in reversed(above):
            below = Link(below, each.own, each.owner)
        current.set(below)

    async def __aenter__(self) -> "LoggingContext":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
