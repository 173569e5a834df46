"""A query over records as they come."""

import time
from collections.abc import Callable, Sequence

from logging_core.storage.log_files import Series, UnreadableError
from logging_core.storage.log_follow import SeriesTail
from logging_core.streams.live import Batch, Once
from rules.log_query import Found, Query, Selection
from rules.log_search import Source, of_series

LOOK_AGAIN = 1.0  #: seconds between two looks for files that were not there before


class Follower:
    """Finds what is added to the files, and what comes in the stream: each record once."""

    def __init__(
        self,
        sources: Sequence[Source],
        query: Query,
        list_series: Callable[[], list[Series]],
        report: Callable[[str], object],
    ) -> None:
        """Go on where the search in these sources ends; their newest files are ours from now on."""
        self._query = query
        self._list_series = list_series
        self._report = report
        self._once = Once()
        self._in_stream = Selection(of_series(query, "any"))
        self._followed: dict[tuple[str, str], tuple[SeriesTail, Selection]] = {}
        for source in sources:
            current = source.files[-1] if source.files else None
            self._followed[_key(source.series)] = (SeriesTail(source.series, current), source.selection)
        self._looked = time.monotonic()

    def noted(self, found: Found) -> Found:
        """A record that was found before, and that the stream may still have."""
        self._once.from_file(found.line)
        return found

    def added(self) -> list[Found]:
        """What was added to the files since the last call, in the order of time."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._look_again()
        found = [each for tail, selection in self._followed.values() for each in self._added(tail, selection)]
        found.sort(key=lambda each: each.when)
        return [each for each in found if self._once.from_file(each.line)]

    def waiting(self, batches: Sequence[Batch]) -> list[Found]:
        """What came in the stream, without what the files have brought already, in the order of time."""
        wanted = self._query.service
        bodies = (batch.body for batch in batches if wanted in (None, batch.service))
        found = sorted((each for body in bodies for each in self._in_stream.of(body)), key=lambda each: each.when)
        return [each for each in found if self._once.from_stream(each.line)]

    def close(self) -> None:
        """Let go of the files."""
        for tail, _ in self._followed.values():
            tail.close()

    @property
    def foreign(self) -> int:
        """Lines in the stream that are no records."""
        return self._in_stream.foreign

    def _look_again(self) -> None:
        self._looked = time.monotonic()
        for series in self._list_series():
            known = self._followed.get(_key(series))
            if known:
                known[0].look_again(series)
            else:
                self._followed[_key(series)] = (SeriesTail(series), Selection(of_series(self._query, series.service)))

    def _added(self, tail: SeriesTail, selection: Selection) -> list[Found]:
        found: list[Found] = []
        try:
            for block in tail.blocks():
                found += selection.of(block)
        except UnreadableError as error:
            self._report(str(error))
        return found


def _key(series: Series) -> tuple[str, str]:
    return str(series.folder), series.name
