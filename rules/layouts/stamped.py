"""Lines of a time, then level, logger and others in any order: Python's `logging`, gunicorn, Celery, Java, nginx, ...

Where parts follow each other without a frame, a guess is made that rather leaves a word in the message than takes one
out: a logger is a name between two of `-`, `|` and `:` or in brackets, or a dotted one that is neither an exception nor
a file or host. A level in small letters counts in brackets, or directly behind the time in front of a colon.
"""

import re
from functools import lru_cache
from typing import Final

from rules.layouts.header import LIMIT, Header, Layout, new_header, shown
from rules.layouts.levels import SPELLINGS, WORDS, level_of
from rules.layouts.times import ZONE, Times

CLOCK: Final = rb"\d\d:\d\d:\d\d"
MONTH: Final = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_WEEKDAY = rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )"
_DIGITS = (
    rb"\d{4}[-/.]\d\d[-/.]\d\d[T ] ?%(clock)b|\d\d?[-/ ]%(month)b[-/ ]\d{4}[: ]%(clock)b"
    rb"|\d\d/\d\d/\d{4},? %(clock)b(?: [AP]M)?|\d\d/\d\d/\d\d %(clock)b"
    rb"|\d{6} (?:\d{6}(?= \d+ )|[\d ]\d:\d\d:\d\d)" % {b"clock": CLOCK, b"month": MONTH}
)
_LETTERS = (
    rb"%(weekday)b?%(month)b  ?\d\d?,? (?:\d{4},? )?%(clock)b(?: [AP]M)?(?: \d{4})?"
    rb"|%(weekday)b\d{4}-\d\d-\d\d %(clock)b" % {b"weekday": _WEEKDAY, b"clock": CLOCK, b"month": MONTH}
)
_ANY_CASE = b"|".join(b"|".join((word, word.lower(), word.capitalize())) for word in WORDS.split(b"|"))
_BRACKETS = rb"\[(?:[^\[\]]|\[[^\[\]]{0,80}+\]){0,160}+\]"
_DOTTED = rb"[A-Za-z_][\w-]*+(?:[.$][\w$-]++)++"
_PARTS = {b"zone": ZONE, b"any": _ANY_CASE, b"words": WORDS, b"brackets": _BRACKETS, b"dotted": _DOTTED}

#: Behind the second, in three usual shapes: (1) fraction, then (2) level, (3) logger; or (4) and (5); or (6) and (7).
_USUAL = re.compile(
    rb"(?:[.,](\d{1,9}))?+ (?:(%(words)b) ++(%(dotted)b):? |- ([\w.-]++) - (%(words)b) - "
    rb"|\| (%(words)b) *+\| ([\w.]++):[\w<>.]++:\d++ - )" % _PARTS
)
#: In the shapes of gunicorn and Celery, which have no logger: (1) fraction, (2) zone, (3) level.
_SERVED = re.compile(
    rb"(?:,(\d{3}))?+(?: ([+-]\d{4}))?+(?:\] \[\d++\] \[|: )(%(words)b)(?:/[^\]\s]{1,80}+)?+\] (?!\[|[A-Za-z_]\w*+\.)"
    % _PARTS
)
#: In all others: (1) fraction, (2) zone, then (3) a level; or (4) whatever is before it and (5) or (6) the level.
_TAIL = re.compile(
    rb"(?:[.,](\d{1,12}))?+(?:\s?(%(zone)b))?[\]\s|:,-]*+"
    rb"(?:(%(any)b)(?=\s*+[:|\]]|\s\s|\t)"
    rb"|((?:(?:%(brackets)b:?[\s|]*+|[^\s\[|]\S{0,120}+[\s|]++)){0,5}?)"
    rb"(?:\[\s*+(?:[a-z]\w*:)?(%(any)b)\s*+\]|(%(words)b|LOG(?=:  ))(?![\w.-])))?+" % _PARTS
)
#: Behind the level: (1) brackets, then (2) to (5), one of them, a logger.
_AFTER = re.compile(
    rb"[\])>]*+(?:/[^\]\s]{1,80}+\])?+[\s|:]*+(?:-\s++)?+"
    rb"(?:\d++#\d++:\s(?:\*\d++\s)?+)?+"  # nginx: process, thread, connection
    rb"(?:(?:\d++\s++)?---\s++)?+"  # Spring: process
    rb"((?:%(brackets)b\s*+)*+)(?:[-:]\s++)?+"
    rb"(?:([A-Za-z_][\w.$]*+):[\w<>.]++:\d++\s(?:-\s)?+"  # loguru: module, function, line
    rb"|(%(dotted)b)(?::\d++)?+(?:\s*+[:|]\s|:(?=[^\s\d/])|\s-\s|\[[0-9a-f-]{36}\]:\s|\s)"
    rb"|([A-Za-z_][\w-]*+)(?:\s*+[|]\s|\s-\s|\s\d++\s\d++\s)"
    rb"|in ([A-Za-z_]\w*+):\s)?+" % _PARTS  # Flask: module
)
_TOKEN = re.compile(rb"\[\s*+([^\[\]]*+)\]|([^\s|\[]\S*+)")
_BRACKETED = re.compile(rb"\[\s*+([^\[\]]*+)\]")
_NAME = re.compile(rb"[A-Za-z_][\w.$-]*+")
_WORD = re.compile(rb"[A-Za-z]++")
_NO_LOGGER = re.compile(
    rb"(?:.*[.])?\w*(?:Error|Exception|Warning|Interrupt)|.*\.(?:py|log|json|ya?ml|toml|conf|ini|txt|csv|pt|sock|com|org|net)"
)
_THREAD = re.compile(rb"(?i:main|mainthread|mainprocess|.*thread.*)|.*[-_#]\d+")
#: structlog's console has the logger behind the event.
_STRUCTLOG = re.compile(r"\s+\[([A-Za-z_][\w.]*)\](?=\s\S+=|\s*$)")
_PLACE = re.compile(rb".*:(\w[\w$]*)@\d+\]\s*")


@lru_cache(1024)
def _logger(name: bytes) -> str:
    """A name as a logger's, or "" if that is something else."""
    return "" if _NO_LOGGER.fullmatch(name) or _THREAD.fullmatch(name) else name.decode("ascii", "replace")


@lru_cache(1024)
def _logger_in_brackets(brackets: bytes) -> str:
    """The last name in brackets that may be a logger's, or the last dotted one."""
    if place := _PLACE.match(brackets):  # ZooKeeper: [thread:class@line]
        return _logger(place[1])
    inside = (name.strip() for name in reversed(_BRACKETED.findall(brackets)))
    return _chosen([found for name in inside if _NAME.fullmatch(name) and (found := _logger(name))])


@lru_cache(1024)
def _logger_before(before: bytes) -> str | None:
    """The logger in what stands between the time and the level; None if that is prose, and the level a word of it."""
    names: list[str] = []
    words = 0
    for bracketed, plain in _TOKEN.findall(before):
        name = bracketed.strip() if bracketed else plain.strip(b":,-")
        if _NAME.fullmatch(name) and (logger := _logger(name)):
            names.append(logger)
            words += _WORD.fullmatch(plain) is not None
    if words > 1 and b" - " not in before and b"|" not in before:
        return None
    return _chosen(names)


def _chosen(names: list[str]) -> str:
    return next((name for name in names if "." in name), names[0] if names else "")


def usual(line: bytes, end: int, second: bytes, times: Times) -> Header | None:
    """The header of a line in one of the usual shapes, quickly; `second` ends at `end`."""
    found = _USUAL.match(line, end, LIMIT)
    if found is None:
        return None
    fraction, word, name, framed, framed_word, barred_word, barred = found.groups()
    logger = framed.decode() if framed else _logger(name or barred)
    if not logger:
        return None
    level = SPELLINGS[word or framed_word or barred_word]
    return new_header((times.iso(second, fraction), level, logger, shown(line, found.end()), "", "text"))


def after_time(line: bytes, end: int, second: bytes, times: Times) -> Header:
    """The header of a line whose time, to the second, ends at `end`."""
    quick = usual(line, end, second, times)
    if quick is not None:
        return quick
    if line.startswith(b"[") and (served := _SERVED.match(line, end, LIMIT)):
        fraction, zone, word = served.groups()
        message = shown(line, served.end())
        return new_header((times.iso(second, fraction, zone), SPELLINGS[word], "", message, "", "text"))
    tail = _TAIL.match(line, end, LIMIT)
    if tail is None:
        return Header("", "", "", shown(line, end))
    fraction, zone, first, before, bracketed, word = tail.groups()
    timestamp = times.iso(second, fraction, zone)
    word = first or bracketed or word
    logger = _logger_before(before) if before else ""
    if not word or logger is None:
        return Header(timestamp, "", "", shown(line, tail.start(4) if before else tail.end()))
    logger, message = after_level(line, tail.end(), logger)
    if bracketed and not logger and (named := _STRUCTLOG.search(message)):
        logger, message = named[1], message[: named.start()] + message[named.end() :]
    return Header(timestamp, level_of(word), logger, message)


def after_level(line: bytes, end: int, before: str = "") -> tuple[str, str]:
    """The logger and the message of a line whose level ends at `end`; `before`: the logger in front of the level."""
    after = _AFTER.match(line, end, LIMIT)
    if after is None:
        return before, shown(line, end)
    brackets, place, dotted, framed, module = after.groups()
    found = _logger(place or dotted or framed or module or b"")
    if found and (not before or (dotted and "." not in before)):
        return found, shown(line, after.end())
    named = "" if before else _logger_in_brackets(brackets)
    first = (2, 3, 4, 5) if named or not brackets else (1,)
    return before or named, shown(line, next((after.start(part) for part in first if after[part]), after.end()))


def _read(match: re.Match[bytes], times: Times) -> Header:
    return after_time(match.string, match.end(1), match[1], times)


#: Date and time, to the second.
SECOND: Final = _DIGITS + b"|" + _LETTERS

_UNDATED = re.compile(
    rb"\[?(%b)(?=(?:[.,]\d{1,9})?[\]\s|:-]++(?:%b[\s|]*+|[\w.-]{1,120}+ - )?\[?(?:%b)(?!\w))"
    % (CLOCK, _BRACKETS, WORDS)
)
_RICH = re.compile(rb"\[(\d\d/\d\d)/(\d\d) (%b)\](?= )" % CLOCK)
_EPOCH = re.compile(rb"(\d{10}(?:\.\d{1,9}|\d{3})?)(?=[\s|:-]++\[?(?:%b)(?!\w))" % WORDS)


def _read_rich(match: re.Match[bytes], times: Times) -> Header:
    day, year, clock = match.groups()
    return after_time(match.string, match.end(3), b"%b/20%b %b" % (day, year, clock), times)


def _read_epoch(match: re.Match[bytes], times: Times) -> Header:
    header = after_time(match.string, match.end(1), b"", times)
    return header._replace(timestamp=times.text(match[1].decode()))


LAYOUTS: Final = (
    Layout(b"0123456789", re.compile(rb"(%b)" % _DIGITS), _read),
    Layout(b"0123456789[", _UNDATED, _read),
    Layout(b"[", _RICH, _read_rich),
    Layout(b"0123456789", _EPOCH, _read_epoch),
    Layout(b"[", re.compile(rb"\[(%b|%b)" % (_DIGITS, _LETTERS)), _read),
    Layout(b"ADFJMNOSTW", re.compile(rb"(%b)" % _LETTERS), _read),
)
