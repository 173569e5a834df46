"""What all tests share: one real Redis server for the run, settings in the environment, deadlines instead of sleeps."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from examples.sinks import MailSink, SlackSink
from logging_core.spool import spill_root, spool_root
from tests.stack import Stack
from tests.waiting import free_port, wait_until

# Settings are read once a process, so they stand before anything of ours is imported.
for _name in [name for name in os.environ if name.startswith("TOCSIN") and name != "TOCSIN_TEST_DATA"]:
    del os.environ[_name]
_PORT = free_port()
_FOLDER = tempfile.TemporaryDirectory(prefix="tocsin-tests-")
os.environ["REDIS_URL"] = f"redis://127.0.0.1:{_PORT}/0"
os.environ["LOG_DIR"] = str(Path(_FOLDER.name, "logs"))
os.environ["TOCSIN__DATA_DIR"] = str(Path(_FOLDER.name, "data"))
os.environ["TOCSIN_CONFIG"] = str(Path(_FOLDER.name, "tocsin.yml"))
Path(os.environ["TOCSIN_CONFIG"]).write_text("{}\n")
os.environ.pop("SLACK_WEBHOOK_URL", None)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real server on loopback, as `tocsin up` starts it; its URL."""
    from tocsin import embedded_redis

    folder = Path(_FOLDER.name, "redis")
    embedded_redis.make_folder(folder)
    with subprocess.Popen(embedded_redis.command(_PORT, folder), stdout=subprocess.DEVNULL) as server:
        client = redis_py.Redis(port=_PORT, protocol=2)
        wait_until(lambda: _answers(client), what="the Redis server to answer")
        client.close()
        yield os.environ["REDIS_URL"]
        server.terminate()


def _answers(client: redis_py.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis_py.ConnectionError:
        return False


@pytest.fixture
def redis(redis_server: str) -> Iterator[redis_py.Redis]:
    """A client of the empty server."""
    client = redis_py.Redis.from_url(redis_server, protocol=2)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, one for the run, with a Slack and a mail server of its own."""
    folder = tmp_path_factory.mktemp("up")
    for name in ("tasks", "rules", "alerts"):  # an application's own modules must not stand before ours
        (folder / f"{name}.py").write_text("raise AssertionError('the application is imported')")
    with SlackSink() as slack, MailSink() as mail:
        stack = Stack(folder, slack=slack, mail=mail)
        try:
            stack.read_until("ready in")
            yield stack
        finally:
            stack.redis.close()
            stack.up.send_signal(signal.SIGTERM)
            stack.ended()
            for root in (spool_root(stack.redis_url), spill_root(stack.redis_url)):
                shutil.rmtree(root, ignore_errors=True)
