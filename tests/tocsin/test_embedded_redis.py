import socket
import subprocess
import time

import pytest
import redis

from tocsin import embedded_redis
from tocsin.errors import OperatorError


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_an_installed_server_is_preferred(tmp_path, monkeypatch, name):
    installed = tmp_path / name
    installed.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded_redis.find_server() == installed


def test_without_an_installed_server_the_wheel_has_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert embedded_redis.find_server().name == "valkey-server"


def test_without_any_server_the_operator_reads_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded_redis, "find_spec", lambda name: None)
    with pytest.raises(OperatorError, match=r"neither redis-server nor valkey-server .* or set REDIS_URL"):
        embedded_redis.find_server()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match=r"cannot be written: .*; set TOCSIN__DATA_DIR"):
        embedded_redis.make_folder(tmp_path / "file" / "redis")


def test_the_server_is_durable_never_evicts_and_listens_on_loopback_only(tmp_path, port):
    process = subprocess.Popen(embedded_redis.command(port, tmp_path), stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, decode_responses=True) as client:
            options = _config(client)
    finally:
        process.terminate()
        process.wait()
    wanted = {"bind": "127.0.0.1", "appendonly": "yes", "appendfsync": "everysec", "save": "", "dir": str(tmp_path)}
    assert wanted | {"maxmemory-policy": "noeviction", "protected-mode": "yes"} == {
        name: options[name] for name in (*wanted, "maxmemory-policy", "protected-mode")
    }


def _config(client: redis.Redis) -> dict[str, str]:
    deadline = time.monotonic() + 10
    while True:
        try:
            return client.config_get("*")
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
