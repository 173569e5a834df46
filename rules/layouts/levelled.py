"""Lines that begin with their level: `logging.basicConfig`, uvicorn, Django's verbose format, pytest, Maven, ...

The level stands in capitals, or in brackets: `Error: ...` and `ValueError: ...` are the end of a traceback, not the
beginning of a record.
"""

import re
from typing import Final

from rules.layouts.header import LIMIT, Header, Layout, shown
from rules.layouts.levels import WORDS, level_of
from rules.layouts.stamped import SECOND, after_level, after_time
from rules.layouts.times import Times

_NAME = re.compile(rb":([A-Za-z_][\w.$-]*+):")
_TIME = re.compile(rb"[\]\s:|-]*+\[?(%b)" % SECOND)


def _read(match: re.Match[bytes], times: Times) -> Header:
    line, level, end = match.string, level_of(match[1].strip(b"[] \t")), match.end(1)
    if name := _NAME.match(line, end, LIMIT):
        return Header("", level, name[1].decode(), shown(line, name.end()))
    if time := _TIME.match(line, end, LIMIT):
        timestamp, _, logger, message, *_ = after_time(line, time.end(), time[1], times)
        if not logger:
            logger, message = after_level(message.encode(), 0)
        return Header(timestamp, level, logger, message)
    return Header("", level, *after_level(line, end))


_CAPITALS = rb"TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL|SEVERE|SUCCESS"
_ANY_CASE = b"|".join((WORDS, WORDS.lower(), WORDS.title()))
LAYOUTS: Final = (
    Layout(b"TDINWECFS", re.compile(rb"(%b)(?=[\s:|/\]]|$)" % _CAPITALS), _read),
    Layout(b"LP", re.compile(rb"(LOG|PANIC)(?=:  )"), _read),
    Layout(b"[", re.compile(rb"(\[\s{0,80}+(?:%b)\s{0,80}+\])" % _ANY_CASE), _read),
)
