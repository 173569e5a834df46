"""How far long work is, on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

SHOWN_AFTER = 0.5  #: seconds; shorter work shows nothing


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yields what is told of the bytes that were done; `total` is how many there are, None where that is not known."""
    with ExitStack() as bar:
        begun = time.monotonic()
        done = 0
        advance: Callable[[int], None] | None = None

        def tell(count: int) -> None:
            nonlocal advance, done
            done += count
            if advance is not None:
                advance(count)
            elif time.monotonic() - begun > SHOWN_AFTER:
                advance = bar.enter_context(_bar(what, total))
                advance(done)

        yield tell if sys.stderr.isatty() else lambda count: None


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console  # takes longer to import than a small log takes to read
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        yield lambda count: shown.advance(task, count)
