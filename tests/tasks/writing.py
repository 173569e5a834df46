"""A run of the writer, in this process."""

from redis import Redis

from logging_core.streams.shard import Shard
from logging_core.streams.stream import Keys
from tasks import settings, writer


def run_writer(redis: Redis, configured: settings.Settings) -> None:
    """One run until the stream is empty, by a holder that dies without giving anything up."""
    redis.delete(Keys().lease)  # as if it had run out
    shard = Shard(redis)
    assert shard.lease(5)
    run = writer.Writer(shard, configured)
    try:
        run.run(0)
        while entries := shard.read(0.001):
            run._write(entries)
    finally:
        run.close()
