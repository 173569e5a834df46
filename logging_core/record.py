"""A `logging.LogRecord`, or a call of `UnifiedLogger`, becomes one line of JSON: the hot path of every application.

The fast path joins four parts: the time, of which all but the microseconds is kept for as long as the second lasts;
what all records of a call site share, encoded once; the context's fields, encoded once a context; and the message and
the extra fields, which go through orjson. Whatever orjson refuses, would change without a word (as it does with NaN) or
would die of goes through `logging_core.sanitize`, which changes as little as it can and lists what it changed under the
key `altered`: `{"altered": {"payload.price": "nan"}}`. Secrets are taken out last, before the line leaves the caller.
"""

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from pathlib import PurePath
from time import time
from types import CodeType
from typing import Any, NamedTuple

import orjson

from logging_core import context
from logging_core.call import Call, CallKey, as_record
from logging_core.context import Link
from logging_core.fields import RENDERED, SCALARS, SPECIAL, STANDARD, add_exception, is_sound, placed
from logging_core.forks import renew_in_child
from logging_core.redaction import Redactor
from logging_core.salvage import add_exception_of, safe_copy
from logging_core.sanitize import MAX_TEXT, Sanitizer, text_of

#: A line is at most this long, so that a batch always has room for one.
MAX_LINE = 128 * 1024
#: A logger whose name ends with one of these logs into that channel, unless the record names another one.
CHANNELS = frozenset({"access", "audit", "system", "ai_responses"})

*_, _LAST_STANDARD = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
_BEFORE_EXTRAS = len(STANDARD) - 1
#: What is left of a record that nothing else could make short enough.
_LEAST = ("timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process", "service")
#: Whatever an application calls them (colours, translations), rules and files know them by these names.
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
#: So many call sites (times threads) are kept ready, of so many bytes each; then all are prepared anew.
_MAX_SITES, _MAX_CONSTANT = 1024, 4096
_NO_NAMES: frozenset[str] = frozenset()
_dumps, _NEWLINE = orjson.dumps, orjson.OPT_APPEND_NEWLINE


class Site(NamedTuple):
    """All that the constant part is made of: a record that a filter has altered has one of its own."""

    level: int
    level_name: str
    logger: str
    module: str
    function: str
    line: int
    thread: str
    process: int


_site_of = itemgetter("levelno", "levelname", "name", "module", "funcName", "lineno", "threadName", "process")


class Encoder:
    """Encodes the records of one service."""

    def __init__(self, service: str, *, redactor: Redactor | None = None, call_site: bool = True) -> None:
        """No redactor: nothing is taken out. `call_site`: whether lines have module, function and line."""
        self.service = service
        self._redactor = redactor
        self._suspects = redactor.suspects if redactor else None
        self._call_site = call_site
        self._constants: dict[tuple[Any, ...], tuple[bytes, CodeType | None]] = {}
        self._clock: tuple[int | None, bytes] = (None, b"")  # a second since the epoch, and how lines begin in it
        renew_in_child(self.forget)

    def encode(self, record: logging.LogRecord) -> bytes:
        """One JSON object and a newline, at most `MAX_LINE` bytes. Never raises for what a record may hold.

        A line takes no more memory than it is long, unlike what orjson makes: that sits in a far larger block.
        """
        try:
            attributes = record.__dict__
            site = _site_of(attributes)
            constant, _ = self._constants.get(site) or self._prepare(site, Site(*site))
            return self._join(attributes["created"], constant, _varying(record, attributes))
        except Exception:  # noqa: BLE001  # whatever a caller's object raises, the record still arrives
            return self._encode_changed(record)

    def encode_call(
        self,
        call: CallKey,
        message: object,
        args: tuple[Any, ...],
        given: Mapping[str, Any],
        created: float | None = None,
    ) -> bytes:
        """The same for a call, its keyword fields among them `exc_info` and `stack_info` where there are such.

        `created`: seconds since the epoch, by default now.
        """
        created = time() if created is None else created
        try:
            level, logger, code, instruction, thread = call
            key = (id(code), instruction, level, logger, thread)  # equal functions of two modules are equal code
            constant, _ = self._constants.get(key) or self._prepare(key, self._site(Call(*call)), code)
            return self._join(created, constant, _called(message, args, given))
        except Exception:  # noqa: BLE001  # as above
            record = as_record(Call(*call), message, args, given)
            record.created = created
            return self._encode_changed(record)

    def forget(self) -> None:
        """Prepare all anew: in a forked child, whose process has another number."""
        self._constants.clear()

    def _join(self, created: float, constant: bytes, fields: dict[str, Any]) -> bytes:
        """The fast path.

        Raises:
            Exception: whatever it is, the slow path is to be taken.
        """
        second, microseconds = divmod(round(created * 1e6), 1_000_000)
        known, beginning = self._clock
        if second != known:
            beginning = self._tick(second)
        names, shared = _NO_NAMES, b""
        link = context.current.get()
        if link is not None or context.span_source is not None:
            names, shared, fields = self._with_context(link, fields)
        if "channel" in fields or "channel" in names:
            constant = _without_channel(constant)
        varying = _dumps(fields, None, _NEWLINE)
        if len(varying) > MAX_LINE:  # to be cut before anybody looks at it closely
            raise ValueError
        if self._suspects is not None and self._suspects(fields, varying):
            varying = _dumps(self._redacted(fields), None, _NEWLINE)
        line = b"".join((beginning % microseconds, constant, shared, varying[1:]))
        if len(line) > MAX_LINE:
            raise ValueError
        return line

    def _tick(self, second: int) -> bytes:
        """How lines begin in this second, a place for the microseconds left in it."""
        moment = datetime.fromtimestamp(second, UTC).replace(tzinfo=None)
        beginning = b'{"timestamp":"%b.%%06d+00:00"' % moment.isoformat().encode()
        self._clock = (second, beginning)  # in one step: threads share it
        return beginning

    def _prepare(self, key: tuple[Any, ...], site: Site, code: CodeType | None = None) -> tuple[bytes, CodeType | None]:
        """What all records of a call site share, as JSON, kept for the next ones.

        With the code that the key has the identity of: as long as it is kept here, no other one has that.

        Raises:
            TypeError, ValueError: JSON cannot hold it as it is, or it is too long to keep.
        """
        fields = self._site_fields(site)
        if not is_sound(fields):
            raise TypeError
        constant = b"," + _dumps(fields)[1:-1] + b","
        if len(constant) > _MAX_CONSTANT:
            raise ValueError
        if len(self._constants) >= _MAX_SITES:
            self._constants.clear()
        prepared = self._constants[key] = (constant, code)
        return prepared

    def _site(self, call: Call) -> Site:
        code, level = call.code, logging.getLevelName(call.level)
        module = PurePath(code.co_filename).stem
        return Site(call.level, level, call.logger, module, code.co_name, call.line, call.thread, os.getpid())

    def _site_fields(self, site: Site) -> dict[str, Any]:
        fields: dict[str, Any] = {"level": _LEVELS.get(site.level) or site.level_name, "logger": site.logger}
        if self._call_site:
            fields |= {"module": site.module, "function": site.function, "line": site.line}
        fields |= {"thread": site.thread, "process": site.process, "service": self.service}
        channel = str(site.logger).rpartition(".")[2]
        return fields | {"channel": channel} if channel in CHANNELS else fields

    def _with_context(self, link: Link | None, fields: dict[str, Any]) -> tuple[frozenset[str], bytes, dict[str, Any]]:
        """The names of the context's part and it encoded, beside the fields; or merged with them, which win over it."""
        span = context.span_source() if context.span_source is not None else None
        if link is not None and span is None:
            names, encoded = link.cache.get(self) or self._prepare_context(link)
            if encoded is not None and names.isdisjoint(fields):
                return names, encoded, fields
        merged = {**placed(link.fields if link else {}), **(span or {})}
        if not is_sound(merged):
            raise TypeError
        return _NO_NAMES, b"", _merged(merged, fields)

    def _prepare_context(self, link: Link) -> tuple[frozenset[str], bytes | None]:
        """The names of its fields, and they as JSON; None where they need the slow path."""
        fields = placed(link.fields)
        encoded = None
        if is_sound(fields) and len(plain := _dumps(fields)) <= MAX_LINE:
            if self._suspects is not None and self._suspects(fields, plain):
                plain = _dumps(self._redacted(fields))
            encoded = plain[1:-1] + b"," if fields else b""
        prepared = link.cache[self] = (frozenset(fields), encoded)
        return prepared

    def _redacted(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._redactor.clean(fields) if self._redactor else fields

    def _encode_changed(self, record: logging.LogRecord) -> bytes:
        """The slow path: every value is walked, and what had to be changed is listed."""
        sanitizer = Sanitizer()
        safe = safe_copy(record, sanitizer)
        attributes = safe.__dict__
        timestamp = datetime.fromtimestamp(safe.created, UTC).isoformat(timespec="microseconds")
        site = self._site_fields(Site(*_site_of(attributes)))
        fields = {"timestamp": timestamp} | site | _merged(_context(sanitizer), _varying(safe, attributes))
        add_exception_of(record, fields, sanitizer)
        altered, line = sanitizer.altered, b""
        for limit in (MAX_TEXT, MAX_TEXT // 8, MAX_TEXT // 64, 64):
            shorter = Sanitizer(max_text=limit, max_items=limit)
            fields = {key: shorter.clean(value, key) for key, value in fields.items()}
            altered = shorter.altered | altered
            line = _dump(fields, altered)
            if len(line) > MAX_LINE:
                continue
            line = _dump(self._redacted(fields), altered)  # nothing is looked at that is not kept
            if len(line) <= MAX_LINE:
                break
        if len(line) > MAX_LINE:  # a great many small values
            least = {key: fields[key] for key in _LEAST if key in fields}
            line = _dump(self._redacted(least), {"*": "cut to the standard fields"})
        return bytes(memoryview(line))


def _called(message: object, args: tuple[Any, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The message, the fields and the exception of a call.

    Raises:
        Exception: a field is not sound, or the message does not fit its arguments.
    """
    text = message if type(message) is str else str(message)
    if args:
        text = text % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args)
    if SPECIAL.isdisjoint(given):
        for value in given.values():
            if type(value) not in SCALARS and not is_sound(value):
                raise TypeError
        return {"message": text, **given}
    fields = placed({name: value for name, value in given.items() if name not in ("exc_info", "stack_info")})
    if not is_sound(fields):
        raise TypeError
    fields = {"message": text, **fields}
    if given.get("exc_info"):
        add_exception(fields, given["exc_info"])
    if given.get("stack_info"):
        fields["stack_info"] = text_of(given["stack_info"])
    return fields


def _varying(record: logging.LogRecord, attributes: dict[str, Any]) -> dict[str, Any]:
    """The message, the extra fields and the exception.

    Raises:
        TypeError: an extra field is not sound, or not where it should be.
    """
    message = attributes["msg"]
    fields = {"message": message if type(message) is str and not attributes["args"] else record.getMessage()}
    # What `extra=` adds comes behind the standard attributes, unless somebody has deleted one of them.
    keys = islice(attributes, _BEFORE_EXTRAS, None)
    if next(keys, None) != _LAST_STANDARD:
        raise TypeError
    is_special = False
    for key in keys:
        value = attributes[key]
        if type(value) not in SCALARS and not is_sound(value):
            raise TypeError
        is_special = is_special or key in SPECIAL
        fields[key] = value
    if is_special:
        extras = {key: value for key, value in attributes.items() if key not in STANDARD and key not in RENDERED}
        fields = {"message": fields["message"], **placed(extras)}
    if attributes["exc_info"]:
        add_exception(fields, attributes["exc_info"], attributes["exc_text"])
    if attributes["stack_info"]:
        fields["stack_info"] = text_of(attributes["stack_info"])
    return fields


def _merged(shared: Mapping[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Both, what is its own winning; what either has under `extra` together."""
    both = {**shared, **own}
    if "extra" in shared and "extra" in own:
        both["extra"] = {**shared["extra"], **own["extra"]}
    return both


def _context(sanitizer: Sanitizer) -> dict[str, Any]:
    """The context's fields, and those of the current span, as plain values."""
    span = context.span_source() if context.span_source is not None else None
    given = {sanitizer.name(name): value for name, value in {**context.fields(), **(span or {})}.items()}
    return {name: sanitizer.clean(value, name) for name, value in placed(given).items()}


def _without_channel(constant: bytes) -> bytes:
    """A record's own channel wins over that of its logger."""
    for channel in CHANNELS:
        constant = constant.replace(b'"channel":"%b",' % channel.encode(), b"")
    return constant


def _dump(fields: dict[str, Any], altered: dict[str, str]) -> bytes:
    if altered:  # the fifty changes nearest to the top tell enough
        fields = fields | {"altered": dict(sorted(altered.items(), key=lambda item: item[0].count("."))[:50])}
    return _dumps(fields, None, _NEWLINE)
