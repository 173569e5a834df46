"""Times as logs write them, as one text: ISO 8601 in UTC with microseconds, so that texts compare as the moments do."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = rb"(?P<name>[A-Za-z]{3})"
_CLOCK = rb"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)(?: ?(?P<half>[AaPp])[Mm])?"
#: A date and a time to the second. `short` is a year of two digits.
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        rb"(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)[T ]+" + _CLOCK,
        rb"(?P<day>\d\d?)[-/ ]" + _MONTH + rb"[-/ ](?P<year>\d{4})[: ]+" + _CLOCK,
        rb"(?:[A-Za-z]{3},? +)?" + _MONTH + rb" +(?P<day>\d\d?),? +(?:(?P<year>\d{4}),? )?" + _CLOCK,
        rb"(?:[A-Za-z]{3},? +)?" + _MONTH + rb" +(?P<day>\d\d?) +" + _CLOCK + rb" +(?P<year>\d{4})",
        rb"(?P<one>\d\d?)/(?P<other>\d\d?)/(?P<year>\d{4}),? +" + _CLOCK,  # American, unless it cannot be
        rb"(?P<short>\d\d)/(?P<month>\d\d)/(?P<day>\d\d) +" + _CLOCK,
        rb"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)[T ]+" + _CLOCK,
        rb"(?P<short>\d\d)(?P<month>\d\d)(?P<day>\d\d) +" + _CLOCK,
        rb"(?P<short>\d\d)(?P<month>\d\d)(?P<day>\d\d) +(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)",
        rb"(?P<month>\d\d)-(?P<day>\d\d) +" + _CLOCK,
        rb"(?P<month>\d\d?)(?P<day>\d\d) +" + _CLOCK,
    )
)
#: Abbreviations of one meaning, in hours. Others (CST, IST, BST, ...) have several: they are the zone of naive times.
_ABBREVIATIONS: Final = {
    b"Z": 0, b"UTC": 0, b"GMT": 0, b"WET": 0, b"WEST": 1, b"CET": 1, b"CEST": 2, b"EET": 2, b"EEST": 3, b"MSK": 3,
    b"EST": -5, b"EDT": -4, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7, b"JST": 9, b"KST": 9,
}  # fmt: skip
_UNKNOWN = b"CST CDT IST BST AEST AEDT HKT SGT".split()
#: An offset or an abbreviation, for patterns.
ZONE: Final = rb"[+-]\d\d(?::?\d\d)?(?!\d)|(?:%b)(?!\w)" % b"|".join([*_ABBREVIATIONS, *_UNKNOWN])
_STAMP = re.compile(rb"\s*(.{8,40}?)(?:[.,](\d{1,12}))?\s?(%b)?\s*" % ZONE, re.DOTALL)
_NUMBER = re.compile(r"\d{9,20}(?:\.\d{1,12})?")
_REMEMBERED = 4096  #: seconds
#: What is smaller is the time since something began, not since 1970.
_FIRST = 1e8


class Times:
    """Reads the times of one log."""

    def __init__(self, zone: tzinfo = UTC, latest: float | None = None) -> None:
        """Times that do not name their zone are of `zone`.

        `latest`: Unix seconds of the log's end, such as the file's mtime. A time without a year is of the last year in
        which it is at most a day after that; without `latest` it cannot be told.
        """
        self._zone = zone
        self._latest = latest
        # As they are written: logs hold many lines of one second.
        self._seconds: dict[bytes, str] = {}
        self._zoned: dict[tuple[bytes, bytes], str] = {}
        self._minutes: dict[tuple[bytes, bytes | None], str] = {}
        self.knows = self._seconds.__contains__  #: whether a second, as it is written, was met already
        self._canonical: set[str] = set()

    def iso(self, second: bytes, fraction: bytes | None = None, zone: bytes | None = None) -> str:
        """A date and time to the second, in any of the shapes that are known, as `2026-02-19T10:30:00.123000+00:00`.

        "" for what is no time, or one that never was (30 February).
        """
        known = self._seconds.get(second) if zone is None else self._zoned.get((second, zone))
        if known is None:
            known = self._of_minute(second, zone)
            if len(self._seconds) + len(self._zoned) >= _REMEMBERED:
                self._seconds.clear()
                self._zoned.clear()
                self._minutes.clear()
            if zone is None:
                self._seconds[second] = known
            else:
                self._zoned[second, zone] = known
        if fraction is None or not known:
            return known and f"{known}000000+00:00"
        return known + fraction.decode().ljust(6, "0")[:6] + "+00:00"

    def text(self, text: str) -> str:
        """A whole text: a time with fraction and zone, or a number since 1970; "" if it is neither."""
        if len(text) == 32 and text[:19] in self._canonical and text[19] == "." and text.endswith("+00:00"):
            return text if text[20:26].isdecimal() and text.isascii() else ""
        if _NUMBER.fullmatch(text):
            return self.number(float(text) if "." in text else int(text))
        try:
            match = _STAMP.fullmatch(text.encode("ascii")) if len(text) <= 64 else None
        except UnicodeEncodeError:
            return ""
        moment = self.iso(*match.groups()) if match else ""
        if moment[:19] == text[:19] and text.endswith("+00:00"):
            if len(self._canonical) >= _REMEMBERED:
                self._canonical.clear()
            self._canonical.add(text[:19])
        return moment

    def number(self, number: float) -> str:
        """Seconds, milliseconds, microseconds or nanoseconds since 1970, told by how many there are; "" for others."""
        if not _FIRST <= number < _FIRST * 1e12:  # not a number neither
            return ""
        units = 1  # in a second
        while number / units >= _FIRST * 1e3:
            units *= 1000
        microseconds = round(number * 1_000_000) if units == 1 else int(number) * 1_000_000 // units
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
        return moment.isoformat(timespec="microseconds")

    def _of_minute(self, second: bytes, zone: bytes | None) -> str:
        """As `_read`; of the seconds of one minute only the first is read."""
        minute, last = second[:-2], second[-2:]
        if minute[-1:] != b":" or not last.isdigit() or last > b"59":
            return self._read(second, zone)
        known = self._minutes.get((minute, zone))
        if known is None:
            known = self._minutes[minute, zone] = self._read(second, zone)[: -len("00.")]
        return f"{known}{last.decode()}." if known else ""

    def _read(self, second: bytes, zone: bytes | None) -> str:
        """In UTC, up to and with the point before the microseconds, or ""."""
        for shape in _SHAPES:
            if found := shape.fullmatch(second):
                try:
                    moment = self._moment({name: value for name, value in found.groupdict().items() if value}, zone)
                    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "."
                except (ValueError, OverflowError):
                    return ""
        return ""

    def _moment(self, parts: dict[str, bytes], zone: bytes | None) -> datetime:
        """Raises ValueError or OverflowError where there was no such time."""
        if "one" in parts:
            month, day = int(parts["one"]), int(parts["other"])
            month, day = (day, month) if month > 12 else (month, day)
        else:
            day = int(parts["day"])
            month = _MONTHS.index(parts["name"].lower()) + 1 if "name" in parts else int(parts["month"])
        hour = int(parts["hour"])
        if half := parts.get("half"):
            hour = hour % 12 + 12 * (half in b"Pp")
        rest = (month, day, hour, int(parts["minute"]), int(parts["second"]))
        where = self._zone if zone is None else self._zone_of(zone)
        if "year" in parts:
            return datetime(int(parts["year"]), *rest, tzinfo=where)
        if "short" in parts:
            short = int(parts["short"])
            return datetime(short + (2000 if short < 70 else 1900), *rest, tzinfo=where)
        return self._last_year(rest, where)

    def _last_year(self, rest: tuple[int, int, int, int, int], where: tzinfo) -> datetime:
        if self._latest is None:
            raise ValueError
        limit = datetime.fromtimestamp(self._latest, where) + timedelta(days=1)
        for year in range(limit.year, limit.year - 9, -1):  # 29 February may be eight years ago
            try:
                moment = datetime(year, *rest, tzinfo=where)
            except ValueError:
                continue
            if moment <= limit:
                return moment
        raise ValueError

    def _zone_of(self, name: bytes) -> tzinfo:
        if name[:1] in b"+-":
            minutes = int(name[1:3]) * 60 + int(name[-2:] if len(name) > 3 else 0)
            return timezone(timedelta(minutes=minutes if name[:1] == b"+" else -minutes))
        hours = _ABBREVIATIONS.get(name)
        return self._zone if hours is None else timezone(timedelta(hours=hours))
