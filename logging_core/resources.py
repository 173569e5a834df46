"""The system channel: what the host and this process use, sampled at a steady pace by psutil."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from logging_core.threads import begun

try:
    import psutil
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("resource use needs psutil: pip install 'tocsin[web]'") from missing

INTERVAL = 60.0  #: seconds
_running: "ResourceSampler | None" = None
_starting = threading.Lock()


class ResourceSampler:
    """Logs a record of the channel `system` every `interval` seconds, from a daemon thread of its own.

    Args:
        logger: where the records go.
        interval: seconds.
        disk: a path on the disk to watch.
    """

    def __init__(self, logger: logging.Logger, interval: float = INTERVAL, disk: str | os.PathLike[str] = "/") -> None:
        if interval <= 0:
            raise ValueError(f"interval is a number of seconds above 0, not {interval!r}")
        self.interval = interval
        self._logger = logger
        self._disk = str(disk)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Begin to sample, unless there is no thread to be had; a process forked from here has to call this too."""
        self._stopped = threading.Event()
        thread = threading.Thread(target=self._run, args=(self._stopped,), name="tocsin-resources", daemon=True)
        self._thread = thread if begun(thread) else None
        return self._thread is not None

    def stop(self) -> None:
        """Stop sampling, within a second."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(1.0)

    @property
    def is_sampling(self) -> bool:
        """Whether it has begun, and goes on."""
        return self._thread is not None and not self._stopped.is_set()

    def _run(self, stopped: threading.Event) -> None:
        process = psutil.Process()
        with _as_far_as_told():  # CPU is told as the share since the last question: this is the first
            process.cpu_percent()
            psutil.cpu_percent()
        while not stopped.wait(self.interval):
            fields = {"channel": "system", "event": "resource_usage", **sample(process, self._disk)}
            with _as_far_as_told():
                self._logger.info("Resource use", extra=fields)


def sample(process: psutil.Process, disk: str) -> dict[str, Any]:
    """What the host and the process use now: percents, bytes and counts. What cannot be told is left out."""
    fields: dict[str, Any] = {}
    with _as_far_as_told():
        fields["host_cpu_percent"] = psutil.cpu_percent()
        fields["host_load_1m"] = round(psutil.getloadavg()[0], 2)
    with _as_far_as_told():
        memory = psutil.virtual_memory()
        fields["host_memory_percent"] = memory.percent
        fields["host_memory_available_bytes"] = memory.available
    with _as_far_as_told():
        usage = psutil.disk_usage(disk)
        fields["disk_percent"] = usage.percent
        fields["disk_free_bytes"] = usage.free
    with _as_far_as_told(), process.oneshot():
        fields["process_cpu_percent"] = process.cpu_percent()
        fields["process_memory_bytes"] = process.memory_info().rss
        fields["process_threads"] = process.num_threads()
        fields["process_open_files"] = process.num_fds()
    return fields


def start_resource_sampler(
    interval: float = INTERVAL, *, name: str = "resources", disk: str | os.PathLike[str] | None = None
) -> ResourceSampler:
    """Sample from now on, in this process and in those that are forked from it. The first call in a process decides.

    Where there is no thread to be had, nothing is sampled (`is_sampling`), and a later call tries again.

    Args:
        interval: seconds.
        name: of the logger, which is `<name>.system`.
        disk: a path on the disk to watch; by default LOG_DIR where it exists, else the root.
    """
    global _running
    with _starting:
        if _running is None:
            logs = os.environ.get("LOG_DIR", "logs")
            place = disk or (logs if Path(logs).is_dir() else "/")
            sampler = ResourceSampler(logging.getLogger(f"{name}.system"), interval, place)
            if not sampler.start():
                return sampler
            _running = sampler
        return _running


def stop_resource_sampler() -> None:
    """Stop what `start_resource_sampler` started."""
    global _running
    with _starting:
        if _running is not None:
            _running.stop()
            _running = None


def _after_fork() -> None:
    global _running, _starting
    _starting = threading.Lock()
    if _running is not None and not _running.start():
        _running = None


@contextmanager
def _as_far_as_told() -> Iterator[None]:
    """Leave out what the platform, or the container, does not tell; and no handler's failure ends the sampling."""
    try:
        yield
    except Exception:  # noqa: BLE001, S110  # the application must never notice
        pass


os.register_at_fork(after_in_child=_after_fork)
