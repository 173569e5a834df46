"""What all tests share: one real Redis server for the run, settings in the environment, deadlines instead of sleeps."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from examples.sinks import MailSink, SlackSink
from logging_core.buffers.spool import spill_root, spool_root
from logging_core.streams.connection import connect
from tests import servers, workers
from tests.stack import Stack
from tests.waiting import free_port

# Settings are read once a process, so they stand before anything of ours is imported.
for _name in [name for name in os.environ if name.startswith("TOCSIN") and name != "TOCSIN_TEST_DATA"]:
    del os.environ[_name]
_PORT = free_port()
_FOLDER = tempfile.TemporaryDirectory(prefix="tocsin-")
os.environ["REDIS_URL"] = f"redis://127.0.0.1:{_PORT}/0"
os.environ["LOG_DIR"] = str(Path(_FOLDER.name, "logs"))
os.environ["TOCSIN__DATA_DIR"] = str(Path(_FOLDER.name, "data"))
os.environ["TOCSIN_CONFIG"] = str(Path(_FOLDER.name, "tocsin.yml"))
Path(os.environ["TOCSIN_CONFIG"]).write_text("{}\n")
os.environ.pop("SLACK_WEBHOOK_URL", None)


def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests have short paths, whoever runs them: the stack has a socket in one, which may have 70 bytes."""
    if config.option.basetemp is None or hasattr(config, "workerinput"):
        config.option.basetemp = Path(_FOLDER.name, "t")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> workers.Scheduling:
    """Where there are several processes."""
    config.option.loadscopereorder = False
    return workers.Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After pytest-randomly has shuffled them."""
    workers.slow_ones_first(items)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real server on loopback, as `tocsin up` starts it; its URL."""
    from tocsin import embedded_redis

    folder = Path(_FOLDER.name, "redis")
    embedded_redis.make_folder(folder)
    with servers.running(embedded_redis.command(_PORT, folder), _PORT):
        yield os.environ["REDIS_URL"]


@pytest.fixture(scope="session")
def oldest_redis_server() -> Iterator[str]:
    """A real server of the oldest version that will do, Redis 6.2; its URL."""
    port = free_port()
    with servers.running([str(servers.oldest_redis()), *servers.IN_MEMORY, "--port", str(port)], port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three masters that share the slots; the URL."""
    with servers.Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A master that Sentinels watch over; the URL."""
    with servers.Sentinels(tmp_path_factory.mktemp("sentinel")) as sentinels:
        yield sentinels.url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says `ON_EVERY_REDIS = True` has its tests run on Valkey, on the oldest Redis and on a cluster."""
    if "redis" in metafunc.fixturenames and getattr(metafunc.module, "ON_EVERY_REDIS", False):
        metafunc.parametrize("redis", ["redis_server", "oldest_redis_server", "redis_cluster"], indirect=True)


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> Iterator[redis_py.Redis]:
    """A client of the empty server."""
    url = request.getfixturevalue(getattr(request, "param", "redis_server"))
    client = connect(url, connect_timeout=2, timeout=5)
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
