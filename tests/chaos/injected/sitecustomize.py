"""Read by Python as it starts, where the chaos runner puts this folder on PYTHONPATH: faults inside the ingest worker
and a compression.

`TOCSIN_CHAOS_STEP` names a folder. A file in it named for a step asks for one fault there: whichever process takes the
file away (one can) suffers it. No other process is touched, and production code knows nothing of
this.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FROZEN = 7.0  #: seconds that a frozen disk stands still: more than a lease


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _asked(step: str) -> bool:
    try:
        Path(os.environ["TOCSIN_CHAOS_STEP"], step).unlink()
    except FileNotFoundError:
        return False
    return True


def _then_die(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if _asked(step):
            _die()
        return result

    return wrapped


def _torn(append: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(store: Any, name: str, data: bytes) -> Any:
        if _asked("torn"):
            append(store, name, data[: len(data) // 2])
            _die()
        return append(store, name, data)

    return wrapped


def _torn_record(record: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(journal: Any, *args: Any, **kwargs: Any) -> Any:
        if _asked("torn-journal"):
            os.write(journal._descriptor, b'00000000 {"files":{"torn')
            _die()
        result = record(journal, *args, **kwargs)
        if kwargs.get("rotating") and _asked("intent"):
            _die()
        return result

    return wrapped


def _frozen(sync: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(store: Any) -> Any:
        if _asked("frozen"):
            time.sleep(FROZEN)
        return sync(store)

    return wrapped


def _in_writer() -> None:
    from logging_core.storage import files, rotation
    from logging_core.storage.journal import Journal
    from logging_core.streams.shard import Shard

    store = files.FileStore
    changes: list[tuple[Any, str, Callable[..., Any]]] = [
        (store, "append", _torn(_then_die("write", store.append))),
        (store, "sync", _frozen(_then_die("fdatasync", store.sync))),
        (Journal, "record", _torn_record(_then_die("journal", Journal.record))),
        (Shard, "commit", _then_die("commit", Shard.commit)),
        (Shard, "read", _then_die("read", Shard.read)),
        (files, "seal", _then_die("sealed", rotation.seal)),
        (Path, "rename", _then_die("moved", Path.rename)),
    ]
    for owner, name, changed in changes:
        setattr(owner, name, changed)


def _in_compression() -> None:
    from logging_core.storage import compression

    setattr(compression, "_write", _then_die("packed", compression._write))  # noqa: B010  # mypy: no such assignment
    setattr(Path, "rename", _then_die("replaced", Path.rename))  # noqa: B010


if "TOCSIN_CHAOS_STEP" in os.environ:
    if any(word.startswith("ingest@") for word in sys.orig_argv):
        _in_writer()
    elif any("compress_sealed" in word for word in sys.orig_argv):
        _in_compression()
