"""What servers write in forms of their own: access logs, Redis, PostgreSQL's prefixes, Django's answers."""

import re
from typing import Final

from rules.layouts.header import Header, Layout, shown
from rules.layouts.levels import WORDS, level_of, level_of_status
from rules.layouts.stamped import CLOCK, MONTH
from rules.layouts.times import ZONE, Times

_DAY = rb"(\d\d/%b/\d{4}[: ]%b)(?:\.(\d{1,9}))?(?: (%b))?" % (MONTH, CLOCK, ZONE)
#: Common and combined (nginx, Apache, gunicorn, werkzeug), with or without a host in front; Django's runserver.
_ACCESS = re.compile(rb'[\w.:-]{1,255}+(?: [^\s\["]{1,255}+){2,3} \[%b\] (?=")' % _DAY)
_RUNSERVER = re.compile(rb'\[%b\] (?=")' % _DAY)
_STATUS = re.compile(rb'"(?:[^"\\]|\\.){0,16384}+" (\d{3})(?!\d)')

_REDIS = re.compile(rb"\d{1,8}:[XCSM] (\d\d %b \d{4} %b)\.(\d{3}) ([.*#-]) " % (MONTH, CLOCK))
_REDIS_LEVELS = {b".": "TRACE", b"-": "DEBUG", b"*": "NOTICE", b"#": "WARNING"}

#: A prefix without blanks, as on Amazon RDS: `%t:%r:%u@%d:[%p]:`.
_POSTGRES = re.compile(
    rb"(\d{4}-\d\d-\d\d %b)(?:\.(\d{1,6}))? (%b):\S{0,300}?:\[\d{1,10}\]:(?:(LOG|%b):  )?" % (CLOCK, ZONE, WORDS)
)
_MORE = re.compile(rb"[\s:](?:DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|BACKTRACE):  ")
_STATEMENT = re.compile(r"(?:duration: [\d.]+ ms  )?(?:statement|(?:parse|bind|execute) [^:]{1,80}): ")
_LEVEL = re.compile(rb"[\s:](?:LOG|%b):  " % WORDS)

_ANSWER = re.compile(
    rb"(Internal Server Error|Not Implemented|Bad Gateway|Service Unavailable|Gateway Timeout"
    rb"|Bad Request|Unauthorized|Forbidden(?: \([^)]{0,200}\))?|Not Found|Method Not Allowed(?: \(\w{1,20}\))?): (?=/)"
)
_FAILED = re.compile(rb"Internal|Not Implemented|Bad Gateway|Service|Gateway")


def continues_postgres(line: bytes) -> bool:
    """Whether a line is one of those with which PostgreSQL explains the one before, under a time of their own."""
    if line.find(b":  ", 0, 400) < 0 or not line[:1].isdigit():
        return False
    more = _MORE.search(line, 0, 400)
    return more is not None and _LEVEL.search(line, 0, more.start() + 1) is None


def repeats_statement(line: bytes, message: str) -> bool:
    """Whether PostgreSQL logs what it was asked (`log_statement`), whose words are the client's and tell of nothing."""
    return _STATEMENT.match(message) is not None and line.find(b"LOG:  ", 0, 400) >= 0


def _read_access(match: re.Match[bytes], times: Times) -> Header:
    status = _STATUS.match(match.string, match.end())
    level = level_of_status(status[1]) if status else ""
    return Header(times.iso(*match.groups()), level, "", shown(match.string, match.end()), layout="access")


def _read_redis(match: re.Match[bytes], times: Times) -> Header:
    second, fraction, sign = match.groups()
    return Header(
        times.iso(second, fraction), _REDIS_LEVELS[sign], "", shown(match.string, match.end()), layout="redis"
    )


def _read_postgres(match: re.Match[bytes], times: Times) -> Header:
    *time, word = match.groups()
    return Header(times.iso(*time), level_of(word or b""), "", shown(match.string, match.end()), layout="postgresql")


def _read_answer(match: re.Match[bytes], _times: Times) -> Header:
    level = "ERROR" if _FAILED.match(match[1]) else "WARNING"
    return Header("", level, "django.request", shown(match.string, 0), layout="django")


LAYOUTS: Final = (
    Layout(b"0123456789", _REDIS, _read_redis),
    Layout(b"0123456789", _POSTGRES, _read_postgres),
    Layout(b"[", _RUNSERVER, _read_access),
    Layout(b"INBSGUFM", _ANSWER, _read_answer),
)
#: Their beginning is long: to be tried after all others.
LAST: Final = (
    Layout(bytes(range(48, 58)) + b":" + bytes(range(65, 91)) + bytes(range(97, 123)), _ACCESS, _read_access),
)
