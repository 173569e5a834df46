"""Lines of a time, then level, logger and others in any order: Python's `logging`, gunicorn, Celery, Java, nginx, ...

Where parts follow each other without a frame, a guess is made that rather leaves a word in the message than takes one
out: a logger is a name between two of `-`, `|` and `:` or in brackets, or a dotted one that is neither an exception nor
a file or host. A level in small letters counts in brackets, or directly behind the time in front of a colon.
"""

import re
from functools import lru_cache
from typing import Final

from rules.layouts.header import LIMIT, Header, Layout, shown
from rules.layouts.levels import WORDS, level_of
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

#: Behind the second, in the two usual shapes: (1) fraction, then (2) level, (3) logger, or (4) logger, (5) level.
_USUAL = re.compile(rb"(?:[.,](\d{1,9}))?+ (?:(%(words)b) ++(%(dotted)b):? |- ([\w.-]++) - (%(words)b) - )" % _PARTS)
#: In all others: (1) fraction, (2) zone, then (3) a level; or (4) whatever is before it and (5) or (6) the level.
_TAIL = re.compile(
    rb"(?:[.,](\d{1,12}))?+(?:\s?(%(zone)b))?[\]\s|:,-]*+"
    rb"(?:(%(any)b)(?=\s*+[:|\]]|\s\s|\t)"
    rb"|((?:(?:%(brackets)b:?[\s|]*+|[^\s\[|]\S{0,120}+[\s|]++)){0,5}?)"
    rb"(?:\[\s*+(%(any)b)\s*+\]|(%(words)b)(?![\w.-])))?+" % _PARTS
)
#: Behind the level: (1) brackets, then (2) or (3) or (4) a logger.
_AFTER = re.compile(
    rb"[\])>]*+(?:/[^\]\s]{1,80}+\])?+[\s|:]*+(?:-\s++)?+"
    rb"(?:\d++#\d++:\s(?:\*\d++\s)?+)?+"  # nginx: process, thread, connection
    rb"(?:(?:\d++\s++)?---\s++)?+"  # Spring: process
    rb"((?:%(brackets)b\s*+)*+)(?:[-:]\s++)?+"
    rb"(?:([A-Za-z_][\w.$]*+):[\w<>.]++:\d++\s(?:-\s)?+"  # loguru: module, function, line
    rb"|(%(dotted)b)(?::\d++)?+(?:\s*+[:|]\s|\s-\s|\[[0-9a-f-]{36}\]:\s|\s)"
    rb"|([A-Za-z_][\w-]*+)(?:\s*+[|]\s|\s-\s|\s\d++\s\d++\s))?+" % _PARTS
)
_TOKEN = re.compile(rb"\[\s*+([^\[\]]*+)\]|([^\s|\[\]]++)")
_NAME = re.compile(rb"[A-Za-z_][\w.$-]*+")
_WORD = re.compile(rb"[A-Za-z]++")
_NO_LOGGER = re.compile(
    rb"(?:.*[.])?\w*(?:Error|Exception|Warning|Interrupt)|.*\.(?:py|log|json|ya?ml|toml|conf|ini|txt|csv|pt|sock|com|org|net)"
)
_THREAD = re.compile(rb"(?i:main|mainthread|mainprocess|.*thread.*)|.*[-_#]\d+")
_PLACE = re.compile(rb"\[[^\[\]]*:(\w[\w$]*)@\d+\]")


@lru_cache(4096)
def _logger(name: bytes) -> str:
    """A name as a logger's, or "" if that is something else."""
    return "" if _NO_LOGGER.fullmatch(name) or _THREAD.fullmatch(name) else name.decode("ascii", "replace")


@lru_cache(4096)
def _logger_in_brackets(brackets: bytes) -> str:
    """The last name in brackets that may be a logger's."""
    if place := _PLACE.match(brackets):  # ZooKeeper: [thread:class@line]
        return _logger(place[1])
    names = [name.strip() for name, _ in _TOKEN.findall(brackets)]
    return next((found for name in reversed(names) if _NAME.fullmatch(name) and (found := _logger(name))), "")


@lru_cache(4096)
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
    return next((name for name in names if "." in name), names[0] if names else "")


def usual(line: bytes, end: int, second: bytes, times: Times) -> Header | None:
    """The header of a line in one of the two usual shapes, quickly; `second` ends at `end`."""
    found = _USUAL.match(line, end, LIMIT)
    if found is None:
        return None
    fraction, word, name, framed, level = found.groups()
    logger = framed.decode() if framed else _logger(name)
    if not logger:
        return None
    return Header(times.iso(second, fraction), level_of(word or level), logger, shown(line, found.end()))


def after_time(line: bytes, end: int, second: bytes, times: Times) -> Header:
    """The header of a line whose time, to the second, ends at `end`."""
    quick = usual(line, end, second, times)
    if quick is not None:
        return quick
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
    return Header(timestamp, level_of(word), logger, message)


def after_level(line: bytes, end: int, logger: str = "") -> tuple[str, str]:
    """The logger, if it is not known yet, and the message of a line whose level ends at `end`."""
    after = _AFTER.match(line, end, LIMIT)
    if after is None:
        return logger, shown(line, end)
    brackets, place, dotted, framed = after.groups()
    found = _logger(place or dotted or framed or b"")
    if found and (not logger or (dotted and "." not in logger)):
        return found, shown(line, after.end())
    start = next((after.start(group) for group in (2, 3, 4) if after[group]), after.end())
    if brackets and not logger:
        logger = _logger_in_brackets(brackets)
    elif brackets:
        start = after.start(1)
    return logger, shown(line, start)


def _read(match: re.Match[bytes], times: Times) -> Header:
    return after_time(match.string, match.end(1), match[1], times)


#: Date and time, to the second.
SECOND: Final = _DIGITS + b"|" + _LETTERS

LAYOUTS: Final = (
    Layout(b"0123456789", re.compile(rb"(%b)" % _DIGITS), _read),
    Layout(b"[", re.compile(rb"\[(%b|%b)" % (_DIGITS, _LETTERS)), _read),
    Layout(b"ADFJMNOSTW", re.compile(rb"(%b)" % _LETTERS), _read),
)
