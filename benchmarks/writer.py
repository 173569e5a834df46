"""A writer that keeps up as the ingest task does, but does not count: read, append, fdatasync, commit."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from logging_core.streams.shard import Shard

LEASE = 60.0  #: seconds
BLOCK = 0.2  #: seconds


@contextmanager
def writing(redis_url: str, file: Path) -> Iterator[None]:
    """Write whatever comes to a file, in a thread of this process."""
    stopping = threading.Event()
    with redis.Redis.from_url(redis_url) as client, file.open("ab", buffering=0) as log:
        shard = Shard(client)
        shard.lease(LEASE)
        version = shard.prepare()

        def write() -> None:
            nonlocal version
            while not stopping.is_set():
                if entries := shard.read(BLOCK):
                    log.write(b"".join(entry.body for entry in entries))
                    os.fdatasync(log.fileno())
                    version = shard.commit(version, entries, [], LEASE)

        thread = threading.Thread(target=write, name="writer")
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
