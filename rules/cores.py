"""Work on several cores: processes that are forked for it, each taking the next item until there is none."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
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
    """The results in the order of the items, as they come.

    Where a process dies, what has not come yet is worked on here: the others may wait for a lock that it held.
    """
    context = multiprocessing.get_context("fork")
    taken, done = context.Value("q", 0), context.Value("q", 0)
    workers: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(count):
            receiving, sending = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(work, items, taken, done, sending), daemon=True)
            worker.start()
            sending.close()
            workers[receiving] = worker
        results = _Results(workers, done, progress)
        for number, item in enumerate(items):
            yield results[number] if results.wait_for(number) else work(item, progress)
    finally:
        for receiving, process in workers.items():
            process.kill()
            process.join()
            receiving.close()


class _Results(dict[int, Any]):
    """What the workers have sent."""

    def __init__(
        self, workers: Mapping[Connection, "BaseProcess"], done: "Synchronized[int]", progress: Callable[[int], None]
    ) -> None:
        super().__init__()
        self._workers = workers
        self._open = list(workers)
        self._done = done
        self._progress = progress
        self._told = 0

    def wait_for(self, number: int) -> bool:
        """Whether the result of an item comes; not where its worker has died."""
        while number not in self and self._open:
            for ready in wait(self._open, _INTERVAL):
                receiving = cast("Connection", ready)
                try:
                    self.update([receiving.recv()])
                except (EOFError, OSError, pickle.UnpicklingError):
                    self._open.remove(receiving)
                    self._workers[receiving].join()
                    if self._workers[receiving].exitcode:
                        self._open.clear()
                        break
            now = self._done.value
            if now > self._told:
                self._progress(now - self._told)
                self._told = now
        return number in self


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

    with contextlib.suppress(BrokenPipeError):
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(items):
                return
            sending.send((number, work(items[number], progress)))
