"""The body of an entry -> its lines, and the records in them. Whatever a line holds, it is a record."""

from contextlib import suppress

import msgspec

from logging_core.streams.shard import Entry
from rules.event_series import EVENTS
from rules.record import EventRecord, Record

_decoder, _event_decoder = msgspec.json.Decoder(Record), msgspec.json.Decoder(EventRecord)


def lines(body: bytes) -> list[bytes]:
    """Its lines, each with its newline."""
    return [line + b"\n" for line in body.removesuffix(b"\n").split(b"\n")]


def records(entry: Entry) -> list[Record]:
    """The entry's records, one a line."""
    try:
        found = _decoder.decode_lines(entry.body)
    except msgspec.DecodeError:
        found = []
    if len(found) != entry.count:
        found = [_record(line) for line in lines(entry.body)] if entry.count else []
    _add_details(found, entry.body)
    for record in found:
        record.service = entry.service
    return found


def _add_details(found: list[Record], body: bytes) -> None:
    """Decode the records of events that are counted anew, with the fields that only they have."""
    try:
        if EVENTS.isdisjoint([record.event for record in found]):
            return
    except TypeError:  # what is in a field may not be hashable
        pass
    for index, (record, line) in enumerate(zip(found, lines(body), strict=False)):
        if type(record.event) is str and record.event in EVENTS:
            with suppress(msgspec.DecodeError):
                found[index] = _event_decoder.decode(line)


def _record(line: bytes) -> Record:
    """What can be understood of a line, field by field; of one that is no JSON object, the line is the message."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        pass
    try:
        fields = msgspec.json.decode(line)
    except msgspec.DecodeError:
        fields = None
    record = Record(message=line.decode("utf-8", "replace"))
    for name in Record.__struct_fields__ if isinstance(fields, dict) else ():
        if name in fields:
            with suppress(msgspec.ValidationError):
                setattr(record, name, msgspec.convert(fields[name], Record.__annotations__[name]))
    return record
