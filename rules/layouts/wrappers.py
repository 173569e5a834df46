"""What a container runtime, or what shows its logs, puts around each line: Docker, CRI, compose, kubectl, torchrun.

Inside is a line of any layout, or the next line of a traceback.
"""

import re
from typing import NamedTuple

import msgspec

from rules.layouts.header import LIMIT
from rules.layouts.levels import WORDS
from rules.layouts.times import Times

_TIME = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
#: containerd and CRI-O: time, stream, tags (P: the line goes on in the next one), content.
_CRI = re.compile(_TIME + rb" (stdout|stderr) ([FP])(?::[^\s]{0,80})? ")
#: `docker logs --timestamps`: always nine digits.
_TIMESTAMPS = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})(Z|[+-]\d\d:\d\d) ")
#: `docker compose logs` aligns the bars, at least two blanks behind the longest name. A level is no container.
_COMPOSE = re.compile(
    rb"(?!(?:%b) )([A-Za-z][\w.-]{0,120}+)(?: {2,60}|(?<=[-_]\d) |(?<=[-_]\d\d) )\| ?(?:%b )?"
    % (WORDS, _TIMESTAMPS.pattern[:-1])
)
#: `kubectl logs --prefix`.
_KUBECTL = re.compile(rb"\[(pod/[^\s\]/]{1,253}/[^\s\]]{1,253})\] (?:%b )?" % _TIME)
_RANK = re.compile(rb"\[((?:rank|default)\d{1,6})\]: ?")


class Wrapped(NamedTuple):
    """A line inside of another one."""

    content: bytes  #: without its newline
    timestamp: str  #: ISO 8601 in UTC, as of a header, or ""
    key: bytes  #: equal for the lines of one stream of one container, of all that a file has
    partial: bool  #: whether the line goes on in the next one of this key


class _DockerLine(msgspec.Struct, gc=False):
    log: str
    time: str
    stream: str = ""


_decode = msgspec.json.Decoder(_DockerLine).decode


def unwrap(line: bytes, times: Times) -> Wrapped | None:
    """What is inside of a line that a container runtime has wrapped, or None."""
    first = line[:1]
    if first == b"{":
        return _docker(line, times) if line.startswith(b'{"log":') else None
    if first.isdigit():
        if cri := _CRI.match(line, 0, LIMIT):
            second, fraction, zone, stream, tag = cri.groups()
            return Wrapped(_rest(line, cri), times.iso(second, fraction, zone), stream, tag == b"P")
        named = _TIMESTAMPS.match(line, 0, LIMIT)
        return Wrapped(_rest(line, named), times.iso(*named.groups()), b"", partial=False) if named else None
    named = (
        (_KUBECTL.match(line, 0, LIMIT) or _RANK.match(line, 0, LIMIT))
        if first == b"["
        else _COMPOSE.match(line, 0, LIMIT)
    )
    if named is None:
        return None
    key, second, fraction, zone = (*named.groups(), None, None, None)[:4]
    return Wrapped(_rest(line, named), times.iso(second, fraction, zone) if second else "", key or b"", partial=False)


def _docker(line: bytes, times: Times) -> Wrapped | None:
    try:
        wrapped = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    content = wrapped.log.encode("utf-8", "backslashreplace")
    partial = not content.endswith(b"\n")  # what is longer than 16 KiB comes in several lines
    return Wrapped(
        content.rstrip(b"\r\n"), times.text(wrapped.time), wrapped.stream.encode("utf-8", "replace"), partial
    )


def _rest(line: bytes, match: re.Match[bytes]) -> bytes:
    return line[match.end() :].rstrip(b"\r\n")
