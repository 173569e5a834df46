"""What the shop's customers know was logged, against what is in the file; none of Tocsin's own counts comes in."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

Mark = tuple[str, int]  #: a request's id, and the number of a record within the request


class Ledger:
    """Which requests were answered, and how many records each of them has logged."""

    def __init__(self) -> None:
        self.answered: dict[str, int] = {}
        self._lock = Lock()

    def note(self, request_id: str, records: int) -> None:
        """A request was answered; by any thread."""
        with self._lock:
            self.answered[request_id] = records

    @property
    def records(self) -> int:
        """How many records there must be."""
        with self._lock:
            return sum(self.answered.values())

    @property
    def marks(self) -> set[Mark]:
        """The records that there must be."""
        return {(id_, number) for id_, records in self.answered.items() for number in range(1, records + 1)}


@dataclass(slots=True)
class Written:
    """What a file holds."""

    marks: Counter[Mark] = field(default_factory=Counter)
    processes: Counter[int] = field(default_factory=Counter)  #: pid -> records
    errors: dict[str, float] = field(default_factory=dict)  #: error type -> when it was first logged, Unix seconds

    @classmethod
    def read(cls, path: Path) -> "Written":
        """Read a file of records, one JSON object a line."""
        written = cls()
        with path.open("rb") as lines:
            for line in lines:
                record = json.loads(line)
                written.marks[record.get("request_id", ""), record.get("request_record", 0)] += 1
                written.processes[record["process"]] += 1
                if "error" in record:
                    at = datetime.fromisoformat(record["timestamp"]).timestamp()
                    written.errors[record["error"]["type"]] = min(at, written.errors.get(record["error"]["type"], at))
        return written

    def lost(self, wanted: set[Mark]) -> int:
        """How many records are not there."""
        return len(wanted - self.marks.keys())

    def duplicated(self, wanted: set[Mark]) -> int:
        """How many lines are there that should not be: a record again, or one that nobody has logged."""
        return self.marks.total() - len(wanted & self.marks.keys())
