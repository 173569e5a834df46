"""Syslog (RFC 3164 and 5424, with and without priority), and the journal as `journalctl` shows it.

What a service under systemd prints arrives with the priority 30 (daemon, info), whatever it is: that is no level.
"""

import re
from typing import Final

from rules.layouts.header import LIMIT, Header, Layout, shown
from rules.layouts.levels import level_of_severity
from rules.layouts.stamped import CLOCK, MONTH
from rules.layouts.times import ZONE, Times

_PRIORITY = rb"<(\d{1,3})>"
_TAG = rb"((?:-- )?[^\s:\[<]{1,64}+(?: \d[\w.]*+)?)(?:\[([^\]\s]{0,40})\])?:(?: |$)"
_DATA = rb'(?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.){0,1000}+"){0,1000}+\])++)'
#: (1) priority, (2) second, (3) fraction, (4) zone, (5) host, (6) tag, (7) process.
_OLD = re.compile(
    rb"(?:%b)?(%b  ?\d\d? (?:\d{4} )?%b)(?:\.(\d{1,9}))?()(?: (\S{1,255}))?? %b" % (_PRIORITY, MONTH, CLOCK, _TAG)
)
_ISO = re.compile(
    rb"(?:%b)?(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(\d{4}-\d\d-\d\d[T ]%b)(?:\.(\d{1,9}))?\s?(%b)"
    rb"(?: (?!\[)(\S{1,255}))? %b" % (_PRIORITY, CLOCK, ZONE, _TAG)
)
#: The same groups.
_NEW = re.compile(
    rb"%b1 (?:-|(\d{4}-\d\d-\d\dT%b)(?:\.(\d{1,9}))?(%b)) (\S{1,255}) (\S{1,128}) (\S{1,128}) \S{1,128} %b(?: |$)"
    % (_PRIORITY, CLOCK, ZONE, _DATA)
)
_BARE = re.compile(_PRIORITY + rb"(?=\S)")
_SERVICE_OUTPUT = 30


def _read(match: re.Match[bytes], times: Times) -> Header:
    priority, second, fraction, zone, _, program, _ = match.groups()
    timestamp = times.iso(second, fraction, zone or None) if second else ""
    logger = "" if program == b"-" else program.decode("utf-8", "backslashreplace")
    start = match.end() + 3 * match.string.startswith(b"\xef\xbb\xbf", match.end())
    return Header(timestamp, _level(priority), logger, shown(match.string, start), layout="syslog")


def _read_bare(match: re.Match[bytes], _times: Times) -> Header:
    return Header("", _level(match[1]), "", shown(match.string, match.end()), layout="syslog")


def _level(priority: bytes | None) -> str:
    return "" if priority is None or int(priority) == _SERVICE_OUTPUT else level_of_severity(int(priority))


def prefix(line: bytes) -> re.Match[bytes] | None:
    """What syslog or the journal has put in front of a line: its groups are as above."""
    return _OLD.match(line, 0, LIMIT) or _ISO.match(line, 0, LIMIT) or _NEW.match(line, 0, LIMIT)


LAYOUTS: Final = (
    Layout(b"<", _NEW, _read),
    Layout(b"<ADFJMNOS", _OLD, _read),
    Layout(b"<MTWFS0123456789", _ISO, _read),
    Layout(b"<", _BARE, _read_bare),
)
