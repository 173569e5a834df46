"""The Redis that is measured with."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tocsin import embedded_redis


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.create_server((embedded_redis.HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int = 0) -> Iterator[str]:
    """The URL of a Redis like the one that `tocsin up` starts; on a free port where none is given."""
    port = port or free_port()
    url = f"redis://{embedded_redis.HOST}:{port}/0"
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(embedded_redis.command(port, Path(folder)), stdout=subprocess.DEVNULL) as process,
    ):
        try:
            with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), retries=200)) as client:
                client.ping()
            yield url
        finally:
            process.terminate()
