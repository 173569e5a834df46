"""Lines whose level is a letter: glog, klog and PyTorch, Android's logcat, Tornado; and NCCL, which writes beside."""

import re
from typing import Final

from rules.layouts.header import Header, Layout, shown
from rules.layouts.levels import level_of, level_of_letter
from rules.layouts.stamped import CLOCK
from rules.layouts.times import Times

_RANK = rb"(?:\[(?:rank|default)\d{1,6}\]: ?)?"
_GLOG = re.compile(
    rb"%b\[?([VDIWEF])(\d{3,4}|\d{8}) (%b)\.(\d{1,9}) +(?:\d{1,10} +)?[\w./+-]{1,200}:\d{1,6}\] " % (_RANK, CLOCK)
)
_UNTIMED = re.compile(rb"%b\[([VDIWEF]) [\w./+-]{1,200}:\d{1,6}\] " % _RANK)
_LOGCAT = re.compile(rb"(\d\d-\d\d %b)\.(\d{3,6}) +\d{1,10} +\d{1,10} ([VDIWEFA]) ([^:]{0,120}?) *: ?" % CLOCK)
_TORNADO = re.compile(
    rb"\[([DIWEC]) (\d{6} %b|\d{4}-\d\d-\d\d %b)(?:[.,](\d{1,6}))? ([\w.$-]*+)[^\]]{0,100}\] ?" % (CLOCK, CLOCK)
)
_NCCL = re.compile(
    rb"(?:\[(\d{4}-\d\d-\d\d %b)\] )?[\w.-]{1,255}+:\d{1,10}:\d{1,10} \[\d{1,4}\] "
    rb"(?:\S{1,200}:\d{1,6} )?NCCL ([A-Z]{4,7}) " % CLOCK
)


def _read_glog(match: re.Match[bytes], times: Times) -> Header:
    letter, day, clock, fraction = match.groups()
    timestamp = times.iso(b"%b %b" % (day, clock), fraction)
    return Header(timestamp, level_of_letter(letter), "", shown(match.string, match.end()), layout="glog")


def _read_untimed(match: re.Match[bytes], _times: Times) -> Header:
    return Header("", level_of_letter(match[1]), "", shown(match.string, match.end()), layout="glog")


def _read_logcat(match: re.Match[bytes], times: Times) -> Header:
    second, fraction, letter, tag = match.groups()
    logger = tag.decode("utf-8", "backslashreplace").strip()
    message = shown(match.string, match.end())
    return Header(times.iso(second, fraction), level_of_letter(letter), logger, message, layout="logcat")


def _read_tornado(match: re.Match[bytes], times: Times) -> Header:
    letter, second, fraction, name = match.groups()
    message = shown(match.string, match.end())
    return Header(times.iso(second, fraction), level_of_letter(letter), name.decode(), message, layout="tornado")


def _read_nccl(match: re.Match[bytes], times: Times) -> Header:
    second, word = match.groups()
    timestamp = times.iso(second) if second else ""
    return Header(timestamp, level_of(word), "NCCL", shown(match.string, match.end()), layout="nccl")


LAYOUTS: Final = (
    Layout(b"[VDIWEF", _GLOG, _read_glog),
    Layout(b"[", _UNTIMED, _read_untimed),
    Layout(b"0123456789", _LOGCAT, _read_logcat),
    Layout(b"[", _TORNADO, _read_tornado),
    Layout(b"[" + bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)), _NCCL, _read_nccl),
)
