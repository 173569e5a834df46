"""What is planted, read from `failures.yml`."""

from functools import cache
from pathlib import Path

import msgspec
import yaml

_CATALOGUE = Path(__file__).with_name("failures.yml")


class Thrown(msgspec.Struct, frozen=True):
    """An exception, as the end of a traceback shows it."""

    type: str
    message: str
    before: str = ""  #: lines between the frames and the exception


class Printed(msgspec.Struct, frozen=True):
    """What a server prints behind its time."""

    server: str  #: a key of `layouts.SERVERS`
    line: str


class Failures(msgspec.Struct, frozen=True):
    """What tells of failures of one type."""

    type: str
    thrown: tuple[Thrown, ...] = ()
    said: tuple[str, ...] = ()  #: by an application's logger, at level ERROR
    printed: tuple[Printed, ...] = ()


@cache
def failures() -> tuple[Failures, ...]:
    """The catalogue: one entry for each of the twenty types."""
    return msgspec.convert(yaml.safe_load(_CATALOGUE.read_text()), tuple[Failures, ...])
