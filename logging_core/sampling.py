"""Which records are kept where there are too many: by level, by logger, by trace, and as repetitions of one message.

What is dropped is counted by the rule that dropped it. Repetitions past the limit are summed up in one record.
"""

import logging
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from threading import RLock
from typing import Any, Self
from uuid import UUID
from zlib import crc32

from logging_core.forks import renew_in_child

_MAX_TEMPLATES, _MAX_TEMPLATE = 1000, 500  #: messages watched at a time; characters of one that tell it from others
_MAX_RATES = 4096  #: (level, logger) remembered

_IDS = (str, int, UUID)  #: what the value of the key may be; anything else is no id

_Watched = tuple[int, str, str]  #: level, logger, message before its arguments


@dataclass(frozen=True, slots=True)
class Duplicates:
    """At most `limit` records with the same logger, level and message before its arguments in `per` seconds."""

    limit: int
    per: float

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 1:
            raise ValueError(f"sampling.duplicates.limit: a whole number of at least 1, not {self.limit!r}")
        if not _is_number(self.per) or self.per <= 0:
            raise ValueError(f"sampling.duplicates.per: seconds, more than 0, not {self.per!r}")


@dataclass(frozen=True, slots=True)
class Sampling:
    """What share of the records is kept.

    Args:
        levels: a level's name -> the share of its records, 0 to 1. Records at ERROR and above are all kept unless
            their level is named here.
        loggers: a logger's name -> the share of its records and those of the loggers below it; the longest name wins,
            and wins over levels.
        key: a field; records that have the same value in it (a trace id) are kept or dropped together, in all processes
            and services with the same share. None: each for itself.
        duplicates: the limit of repetitions; it holds for every level.

    Raises:
        ValueError: a bad value, by its key.
    """

    levels: Mapping[str, float] = field(default_factory=dict)
    loggers: Mapping[str, float] = field(default_factory=dict)
    key: str | None = "trace_id"
    duplicates: Duplicates | None = None

    def __post_init__(self) -> None:
        known = logging.getLevelNamesMapping()
        for name, rates in (("levels", self.levels), ("loggers", self.loggers)):
            if not isinstance(rates, Mapping):
                raise ValueError(f"sampling.{name}: names with their shares, not {rates!r}")
            for each, rate in rates.items():
                if name == "levels" and each not in known:
                    raise ValueError(f"sampling.levels.{each}: no such level")
                if not isinstance(each, str) or not each:
                    raise ValueError(f"sampling.{name}: {each!r} is no logger's name")
                if not _is_number(rate) or not 0 <= rate <= 1:
                    raise ValueError(f"sampling.{name}.{each}: a number from 0 to 1, not {rate!r}")
        if self.key is not None and (not isinstance(self.key, str) or not self.key):
            raise ValueError(f"sampling.key: the name of a field, not {self.key!r}")
        if self.duplicates is not None and not isinstance(self.duplicates, Duplicates):
            raise ValueError(f"sampling.duplicates: limit and per, not {self.duplicates!r}")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """The same from a section of a configuration file.

        Raises:
            ValueError: an unknown key or a bad value, by its key.
        """
        _check_keys(cls, settings, "sampling")
        duplicates = settings.get("duplicates")
        if duplicates is not None:
            _check_keys(Duplicates, duplicates, "sampling.duplicates")
            for key in ("limit", "per"):
                if key not in duplicates:
                    raise ValueError(f"sampling.duplicates.{key}: missing")
            settings = {**settings, "duplicates": Duplicates(**duplicates)}
        return cls(**settings)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A record that is to be logged now: what was dropped as repetitions of one message."""

    levelno: int
    logger: str
    message: str
    repeated: int


@dataclass(slots=True)
class _Window:
    end: float
    kept: int = 0
    dropped: int = 0


class Sampler:
    """Decides about each record, for all threads of this process; a forked child begins with no counts."""

    def __init__(
        self,
        settings: Sampling,
        now: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        levels = logging.getLevelNamesMapping()
        self._levels = {levels[name]: (float(rate), f"level:{name}") for name, rate in settings.levels.items()}
        self._loggers = {name: (float(rate), f"logger:{name}") for name, rate in settings.loggers.items()}
        self.key, self._duplicates = settings.key, settings.duplicates
        self._now, self._random = now, random
        self._rates: dict[tuple[int, str], tuple[float, str] | None] = {}
        self._begin()
        renew_in_child(self._begin)

    def _begin(self) -> None:
        """Nothing was seen yet; also in a child, whose parent's lock another thread may have held."""
        self._lock = RLock()  # a signal handler or a finalizer may log while this thread is in here
        self.sampled: Counter[str] = Counter()  #: dropped records by rule: `level:DEBUG`, `logger:NAME`, `duplicates`
        self.unreported = 0  #: repetitions that no record will sum up: nobody asked for what is due
        self._windows: OrderedDict[_Watched, _Window] = OrderedDict()  # the one that ends first is first
        self._repeated: dict[_Watched, int] = {}  # of windows that have ended
        self._next_end = inf

    def keep(self, levelno: int, logger_name: str, message_template: object, fields: Mapping[str, Any]) -> bool:
        """Whether to keep a record. `fields`: its own, or the context's; a message that is no text is not watched."""
        site = (levelno, logger_name)
        try:
            rule = self._rates[site]
        except KeyError:
            rule = self._find_rate(site)
        if rule is not None:
            rate, name = rule
            value = fields.get(self.key) if self.key is not None else None
            if (share_of(value) if isinstance(value, _IDS) else self._random()) >= rate:
                with self._lock:
                    self.sampled[name] += 1
                return False
        if self._duplicates is None or type(message_template) is not str:
            return True
        return self._is_new((levelno, logger_name, message_template[:_MAX_TEMPLATE]), self._duplicates)

    def due(self, *, at_once: bool = False) -> list[Repeated]:
        """The records that sum up the repetitions of windows that have ended; of all windows, if at once (a flush)."""
        if self._next_end == inf or (not at_once and self._now() < self._next_end):
            return []
        with self._lock:
            while self._windows and (at_once or next(iter(self._windows.values())).end <= self._now()):
                self._close(*self._windows.popitem(last=False))
            repeated, self._repeated = self._repeated, {}
            self._next_end = next((window.end for window in self._windows.values()), inf)
        return [
            Repeated(level, logger, f"{template} (repeated {count} times)", count)
            for (level, logger, template), count in repeated.items()
        ]

    def seconds_until_due(self) -> float | None:
        """Until there may be something to tell though nothing more is logged; None: nothing is watched."""
        end = self._next_end
        return None if end == inf else max(end - self._now(), 0.0)

    def _find_rate(self, site: tuple[int, str]) -> tuple[float, str] | None:
        level, logger = site
        rule = self._levels.get(level)
        if level < logging.ERROR:
            prefix = logger
            while prefix and prefix not in self._loggers:
                prefix = prefix.rpartition(".")[0]
            rule = self._loggers.get(prefix, rule)
        if len(self._rates) >= _MAX_RATES:
            self._rates.clear()
        self._rates[site] = rule = rule if rule is not None and rule[0] < 1 else None
        return rule

    def _is_new(self, watched: _Watched, duplicates: Duplicates) -> bool:
        with self._lock:
            now = self._now()
            window = self._windows.get(watched)
            if window is None or window.end <= now:
                if window is not None:
                    self._close(watched, self._windows.pop(watched))
                elif len(self._windows) >= _MAX_TEMPLATES:
                    self._close(*self._windows.popitem(last=False))
                window = self._windows[watched] = _Window(now + duplicates.per)
                self._next_end = min(self._next_end, window.end)
            if window.kept < duplicates.limit:
                window.kept += 1
                return True
            window.dropped += 1
            self.sampled["duplicates"] += 1
            return False

    def _close(self, watched: _Watched, window: _Window) -> None:
        if window.dropped and (watched in self._repeated or len(self._repeated) < _MAX_TEMPLATES):
            self._repeated[watched] = self._repeated.get(watched, 0) + window.dropped
            self._next_end = -inf
        else:
            self.unreported += window.dropped


def _check_keys(kind: Any, given: Any, path: str) -> None:
    names = sorted(each.name for each in fields(kind))
    if not isinstance(given, Mapping):
        raise ValueError(f"{path}: keys ({', '.join(names)}), not {given!r}")
    for key in given:
        if key not in names:
            raise ValueError(f"{path}.{key}: unknown key")


def share_of(value: str | int | UUID) -> float:
    """Where an id stands between 0 and 1: the same in every process, on every machine."""
    return crc32(str(value).encode("utf-8", "surrogatepass")) / 2**32


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
