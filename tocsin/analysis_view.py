"""What an analysis found, as people read it: most severe first; what, how often, since when, where, and what to do."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from recovery.diagnosis import Advice, Found, found_types, urgency
from rules.analysis import Analysis
from rules.event import Event
from rules.tally import GroupSeen
from tocsin.shown_event import shown_event, shown_text

FRAMES = 3  #: of a traceback, the innermost
_NAMED = 5  # exceptions of no known type
_COLOURS = {"critical": "1;31", "error": "31", "warning": "33"}
_TELL = "tell whoever can mend it"


class View:
    """Writes lines, each with its end.

    Args:
        colour: whether for a terminal that shows colours.
        verbose: whether each group, and each event that was kept, is shown with its evidence.
    """

    def __init__(self, *, colour: bool, verbose: bool) -> None:
        self._colour = colour
        self._verbose = verbose

    def lines(self, analysis: Analysis, advice: Advice) -> Iterator[str]:
        """All that there is to say about an analysis."""
        yield f"{_headline(analysis)}\n"
        groups: dict[str, list[GroupSeen]] = defaultdict(list)
        for group in analysis.groups.values():
            groups[group.first.type].append(group)
        events: dict[str, list[Event]] = defaultdict(list)
        for event in analysis.events if self._verbose else ():
            events[event.group].append(event)
        for found in sorted(found_types(analysis), key=urgency):
            yield "\n"
            yield from self._type(found, groups[found.type], advice)
            if self._verbose:
                yield from _groups(groups[found.type], events)
        if analysis.unknown:
            yield f"\n{_unknown(analysis)}\n"
        if advice:
            yield f"\nto do: {', '.join(advice)}\n"
        if advice.unhealed:
            yield f"\n{_TELL}: {', '.join(each.type for each in advice.unhealed)}\n"

    def event(self, event: Event) -> Iterator[str]:
        """One event as it comes, with its evidence."""
        event = shown_event(event)
        yield f"{self._severity(event.severity)} {event.type}  {_place(event)}  {_said(event)}\n"
        yield from _evidence(event, "    ")

    def _type(self, found: Found, groups: Sequence[GroupSeen], advice: Advice) -> Iterator[str]:
        events = [event for group in groups for event in (group.first, group.last)]
        events = sorted(filter(_has_time, events), key=_moment) or events
        first, last = shown_event(events[0]), shown_event(events[-1])
        kinds = f" in {len(groups):,} groups" if len(groups) > 1 else ""
        yield f"{self._severity(found.first.severity)} {found.type}: {found.count:,}{kinds}\n"
        yield f"    first  {_place(first)}  {_said(first)}\n"
        yield from _evidence(first, "           ")
        if found.count > 1:
            yield f"    last   {_place(last)}  {_said(last)}\n"
        actions = [action for action in advice if any(cause.type == found.type for cause in action.causes)]
        yield f"    to do  {', '.join(actions) or _TELL}\n"

    def _severity(self, severity: str) -> str:
        return f"\x1b[{_COLOURS[severity]}m{severity:8}\x1b[0m" if self._colour else f"{severity:8}"


def _headline(analysis: Analysis) -> str:
    files = f"{len(analysis.files):,} files" if len(analysis.files) != 1 else shown_text(analysis.files[0])
    read = f"{files}: {analysis.bytes:,} bytes, {analysis.lines:,} lines in {analysis.seconds:.2f} s"
    total = analysis.summary.total()
    if not total:
        return f"{read}; no failure found"
    types = len(analysis.summary)
    return f"{read}; {total:,} failure{'s' * (total > 1)} of {types} type{'s' * (types > 1)}"


def _groups(groups: Iterable[GroupSeen], events: dict[str, list[Event]]) -> Iterator[str]:
    for group in sorted(groups, key=lambda each: -each.count):
        yield f"    group {group.first.group}: {group.count:,}\n"
        for event in map(shown_event, events[group.first.group] or (group.first,)):
            yield f"        {_place(event)}  {_said(event)}\n"
            yield from _evidence(event, "            ")


def _place(event: Event) -> str:
    return f"{event.file}:{event.line}"


def _said(event: Event) -> str:
    return " ".join(filter(None, (event.timestamp, event.level, event.logger and f"{event.logger}:", event.message)))


def _evidence(event: Event, indent: str) -> Iterator[str]:
    """The exception, and the innermost frames of its traceback."""
    if event.exception and event.exception != event.message:
        yield f"{indent}{event.exception}\n"
    for frame in event.frames[-FRAMES:]:
        yield f"{indent}  {frame.file}:{frame.line} {frame.function}\n"


def _has_time(event: Event) -> bool:
    return bool(event.timestamp)


def _moment(event: Event) -> datetime:
    return datetime.fromisoformat(event.timestamp)


def _unknown(analysis: Analysis) -> str:
    named = analysis.unknown.most_common(_NAMED)
    more = ", ..." if len(analysis.unknown) > _NAMED else ""
    which = ", ".join(f"{shown_text(exception)} {count:,}" for exception, count in named)
    return f"tracebacks of no known type: {analysis.unknown.total():,} ({which}{more})"
