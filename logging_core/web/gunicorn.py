"""Hooks for a `gunicorn.conf.py`, so that `/metrics` tells of all workers, whichever of them is asked:

from logging_core.web.gunicorn import child_exit, share_metrics
share_metrics()
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

_MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
_shared_by: int | None = None  #: the process whose workers share a folder


def share_metrics() -> None:
    """Have the workers keep their metrics in one folder: `PROMETHEUS_MULTIPROC_DIR`, or a temporary one.

    It has to be called before anything imports prometheus_client, which looks at that variable only once. What an
    earlier run has left in the folder is removed.
    """
    global _shared_by
    if _shared_by == os.getpid():
        return  # the configuration was loaded again: the workers that are there go on counting
    _shared_by = os.getpid()
    folder = os.environ.get(_MULTIPROC_DIR)
    if folder is None:
        folder = os.environ[_MULTIPROC_DIR] = tempfile.mkdtemp(prefix="tocsin-metrics-")
        atexit.register(_remove, folder, os.getpid())
    Path(folder).mkdir(parents=True, exist_ok=True)
    for pattern in ("*.db", "active-users-*"):
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: its gauges of living processes end with it, its counters stay in the sums."""
    from prometheus_client.multiprocess import mark_process_dead

    if os.environ.get(_MULTIPROC_DIR):
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # a worker inherits what is to be done at exit
        shutil.rmtree(folder, ignore_errors=True)
