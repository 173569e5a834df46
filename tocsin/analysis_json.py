"""What an analysis found, as one JSON object on one line."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
from msgspec.structs import asdict

from recovery.diagnosis import Advice
from rules.analysis import Analysis
from rules.event import Event
from rules.tally import GroupSeen
from tocsin.shown_event import shown_event, shown_text


class JsonView:
    """Writes lines, each with its end.

    Args:
        zone: the name of the one in which times were taken to be that do not say theirs.
        limit: of the groups that are named.
    """

    def __init__(self, *, zone: str, limit: int) -> None:
        self._zone = zone
        self._limit = limit

    def event(self, event: Event) -> Iterator[str]:
        """One event as it comes."""
        yield _line(asdict(shown_event(event)))

    def lines(self, analysis: Analysis, advice: Advice) -> Iterator[str]:
        """All that there is to say about an analysis."""
        yield _line(
            {
                "events": [asdict(shown_event(event)) for event in analysis.events],
                "summary": dict(analysis.summary.most_common()),
                "actions": list(map(str, advice)),
                "plan": [{"action": str(each), "causes": [cause.type for cause in each.causes]} for each in advice],
                "tell": [each.type for each in advice.unhealed],
                "unknown": {shown_text(exception): count for exception, count in analysis.unknown.most_common()},
                "groups": [_group(each) for each in islice(analysis.groups.values(), self._limit)],
                "files": [shown_text(path) for path in analysis.files],
                "problems": [shown_text(problem) for problem in analysis.problems],
                "zone": self._zone,
                "lines": analysis.lines,
                "bytes": analysis.bytes,
                "seconds": round(analysis.seconds, 3),
            }
        )


def _line(fields: dict[str, Any]) -> str:
    return orjson.dumps(fields).decode() + "\n"


def _group(seen: GroupSeen) -> dict[str, Any]:
    first, last = shown_event(seen.first), shown_event(seen.last)
    return {
        "group": first.group,
        "type": first.type,
        "count": seen.count,
        "message": first.message,
        "first": {"timestamp": first.timestamp, "file": first.file, "line": first.line},
        "last": {"timestamp": last.timestamp, "file": last.file, "line": last.line},
    }
