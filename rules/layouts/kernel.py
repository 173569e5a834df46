"""Linux' messages, as `dmesg` shows them. Their times count from the boot, so they are none."""

import re
from typing import Final

from rules.layouts.header import Header, Layout, shown
from rules.layouts.levels import level_of
from rules.layouts.times import Times

#: With `dmesg -x` the level is in front.
_LINE = re.compile(rb"(?:\w{1,10} *:(\w{1,10}) *: )?\[ {0,8}\d{1,9}\.\d{6}\](?:\[ {0,8}[TC]\d{1,9}\])? ")


def _read(match: re.Match[bytes], _times: Times) -> Header:
    return Header("", level_of(match[1] or b""), "kernel", shown(match.string, match.end()), layout="kernel")


LAYOUTS: Final = (Layout(b"[kuds", _LINE, _read),)
