"""What is the same error: the service, the type, and the message without what varies."""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from rules.record import Record

VERSION = 1  #: of the method; another one must not give the same ids
TEXT_LIMIT = 200  #: characters of any field
OTHER = "other"  #: what comes after a bound is reached

_MESSAGE_LIMIT = 1000  # characters looked at
_VARIABLE = re.compile(
    r"""
      "[^"]*" | (?<!\w)'[^']*'(?!\w)            # quoted parts
    | \b[a-z][a-z0-9+]*://[^\s"'<>]+            # addresses of resources
    | (?<![\w/.])(?:[.~]{0,2}/|[A-Za-z]:\\)[^\s"',;:()<>]+   # paths
    | (?<![\w.-])[-\w.]*?\d[-\w.]*              # numbers, hex, ids: words with a digit
    """,
    re.VERBOSE,
)


class Group(NamedTuple):
    """A group of errors."""

    id: str  #: 12 hexadecimal digits
    service: str
    error_type: str  #: the exception's type, else the level
    template: str  #: the message, with `<*>` where it varies


def fingerprint(record: Record) -> Group:
    """The group that a record's error belongs to."""
    error_type = record.error.type if record.error and record.error.type else record.level
    return _group(record.service[:TEXT_LIMIT], error_type[:TEXT_LIMIT], template(record.message[:_MESSAGE_LIMIT]))


def group_id(service: str, error_type: str, message: str) -> str:
    """The id of the group of a failure that a scan has found."""
    return _group(service[:TEXT_LIMIT], error_type, template(message[:_MESSAGE_LIMIT])).id


def overflow(service: str) -> Group:
    """The one group for all errors of a service that has too many."""
    return _group(service, OTHER, OTHER)


@lru_cache(maxsize=4096)
def template(message: str) -> str:
    """The message with `<*>` in place of numbers, ids, hex, paths, addresses and quoted parts, on one line."""
    return " ".join(_VARIABLE.sub("<*>", message).split())[:TEXT_LIMIT]


@lru_cache(maxsize=4096)
def _group(service: str, error_type: str, message: str) -> Group:
    key = "\0".join((str(VERSION), service, error_type, message))
    return Group(blake2b(key.encode(), digest_size=6).hexdigest(), service, error_type, message)
