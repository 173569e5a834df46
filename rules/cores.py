"""Work on several cores: processes that are forked for it, each taking the next item until there is none."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

Item = TypeVar("Item")
Result = TypeVar("Result")

_INTERVAL = 0.1  # seconds between two looks at how far the work is

Work = Callable[[Item, Callable[[int], None]], Result]


def usable() -> int:
    """How many processes may work: one a core; this one alone beside other threads, whose locks no child could free."""
    alone = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    return len(os.sched_getaffinity(0)) if alone else 1


def in_processes(
    work: Work[Item, Result], items: Sequence[Item], count: int, progress: Callable[[int], None]
) -> Iterator[Result]:
    """The results in the order of the items; items of a process that died are worked on here."""
    context = multiprocessing.get_context("fork")
    taken = context.Value("q", 0)
    done = context.Value("q", 0)
    results: dict[int, Result] = {}
    workers = []
    try:
        for _ in range(count):
            receiving, sending = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(work, items, taken, done, sending), daemon=True)
            worker.start()
            sending.close()
            workers.append((worker, receiving))
        told, open_ends = 0, [receiving for _, receiving in workers]
        while open_ends:
            for ready in wait(open_ends, _INTERVAL):
                receiving = cast("Connection", ready)
                try:
                    results.update(receiving.recv())
                except EOFError:
                    open_ends.remove(receiving)
            now = done.value
            if now > told:
                progress(now - told)
                told = now
    finally:
        for worker, receiving in workers:
            worker.kill()
            worker.join()
            receiving.close()
    for number, item in enumerate(items):
        yield results.pop(number) if number in results else work(item, progress)


def _work(
    work: Work[Item, Result],
    items: Sequence[Item],
    taken: "Synchronized[int]",
    done: "Synchronized[int]",
    sending: Connection,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it

    def progress(count: int) -> None:
        with done.get_lock():
            done.value += count

    results: dict[int, Any] = {}
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(items):
            break
        results[number] = work(items[number], progress)
    with contextlib.suppress(BrokenPipeError):
        sending.send(results)
