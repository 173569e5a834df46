"""What an operator sets is checked as a whole."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from logging_core.storage.rotation import DAY
from rules.errors import ConfigError
from tasks import broker, schedule, settings
from tasks.settings import CacheFolder, RecoverySettings, RedisSettings, ScanSettings, ScanSource, Settings, load


def test_two_cache_folders_of_one_name_are_refused() -> None:
    folders = [CacheFolder(name="thumbs", path=Path("/srv", name), max_bytes=1) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: thumbs"):
        RecoverySettings(cache_folders=folders)
    assert RecoverySettings(cache_folders=folders[:1]).cache_folders == (folders[0],)


def test_two_sources_of_one_name_are_refused() -> None:
    sources = [ScanSource(name="shop", paths=[name]) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: shop"):
        ScanSettings(sources=sources)


@pytest.mark.parametrize("name", ["TOCSIN__INGEST__SHARD", "TOCSIN__NOTHING", "TOCSIN__LOG_DIR__FOLDER"])
def test_a_variable_that_names_no_setting_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN__INGEST__SHARDS", "2")
    assert load.__wrapped__().ingest.shards == 2
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=f"{name}: unknown key"):
        load.__wrapped__()


def set_up(url: str, broker_url: str = "") -> Settings:
    return settings.load().model_copy(update={"redis": RedisSettings(url=url, broker_url=broker_url)})


def test_the_broker_is_the_same_redis_and_keeps_the_schedule() -> None:
    one = set_up("redis://h:1/0")
    assert broker.url(one) == "redis://h:1/0"
    assert "master_name" not in broker.transport_options(one)
    assert schedule.configuration(one)["redbeat_redis_url"] == "redis://h:1/0"
    socket = set_up("unix://:p%40ss@/run/redis.sock?db=2")
    assert broker.url(socket) == "redis+socket://:p%40ss@/run/redis.sock?virtual_host=2"
    assert schedule.configuration(socket)["redbeat_redis_url"] == "unix://:p%40ss@/run/redis.sock?db=2"


def test_sentinels_are_told_to_the_broker_and_the_schedule_in_their_own_words() -> None:
    url = "redis-sentinel://me:p%40ss@a:1,[::1]/2?master=main"
    one = set_up(url)
    assert broker.url(one) == "sentinel://me:p%40ss@a:1/2;sentinel://me:p%40ss@[::1]:26379/2"
    assert broker.transport_options(one)["master_name"] == "main"
    configuration = schedule.configuration(one)
    assert configuration["redbeat_redis_url"] == "redis-sentinel://"
    assert configuration["redbeat_redis_options"] == {
        "socket_connect_timeout": 2,
        "socket_timeout": schedule.LOCK_TIMEOUT,
        "sentinels": (("a", 1), ("::1", 26379)),
        "service_name": "main",
        "db": 2,
        "username": "me",
        "password": "p@ss",
    }


def test_a_broker_of_its_own_keeps_the_schedule_if_it_is_a_redis() -> None:
    both = set_up("redis-cluster://a:1,b:2", "redis://h:1/0")
    assert (broker.url(both), schedule.configuration(both)["redbeat_redis_url"]) == ("redis://h:1/0", "redis://h:1/0")
    apart = schedule.configuration(set_up("redis-cluster://a:1", "redis-sentinel://s:1?master=main"))
    assert apart["redbeat_redis_options"]["service_name"] == "main"
    rabbit = set_up("redis://h:1/0", "amqp://r//")
    assert (broker.url(rabbit), schedule.configuration(rabbit)["redbeat_redis_url"]) == ("amqp://r//", "redis://h:1/0")


@pytest.mark.parametrize("broker_url", ["", "amqp://r//"])
def test_a_cluster_alone_is_a_mistake_that_names_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broker_url: str
) -> None:
    file = tmp_path / "tocsin.yml"
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("TOCSIN_CONFIG", str(file))
    file.write_text(f"redis:\n  broker_url: '{broker_url}'\n  url: redis-cluster://:hunter2@a:1,b:2\n")
    with pytest.raises(ConfigError) as refused:
        settings.load.__wrapped__()
    (mistake,) = refused.value.mistakes
    assert mistake.startswith(f"{file}:3: redis.url: is a cluster, and ")
    assert "TOCSIN__REDIS__BROKER_URL" in mistake
    assert "hunter2" not in mistake
    monkeypatch.setenv("REDIS_URL", "redis-cluster://a:1")
    with pytest.raises(ConfigError, match="REDIS_URL: is a cluster, and "):
        settings.load.__wrapped__()
    monkeypatch.setenv("TOCSIN__REDIS__BROKER_URL", "redis://h:1/0")
    assert settings.load.__wrapped__().broker_url == "redis://h:1/0"


@pytest.mark.parametrize(
    ("files", "mistake"),
    [
        ("compress: bzip2", r"tocsin.yml:2: files.compress: "),
        ("interval: 0.1", r"tocsin.yml:2: files.interval: "),
        ("max_age: -1", r"tocsin.yml:2: files.max_age: "),
        ("max_total_bytes: 0", r"tocsin.yml:2: files.max_total_bytes: "),
        ("interval: 60\n  daily: true", r"tocsin.yml:\d: files: daily and interval: only one of them"),
    ],
)
def test_a_life_of_files_that_cannot_be_led_is_a_mistake_that_names_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: str, mistake: str
) -> None:
    monkeypatch.setenv("TOCSIN_CONFIG", str(tmp_path / "tocsin.yml"))
    (tmp_path / "tocsin.yml").write_text(f"files:\n  {files}\n")
    with pytest.raises(ConfigError, match=mistake):
        settings.load.__wrapped__()


def test_zstd_without_its_library_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setenv("TOCSIN__FILES__COMPRESS", "zstd")
    with pytest.raises(ConfigError, match=r"TOCSIN__FILES__COMPRESS: .*pip install 'tocsin\[zstd\]'"):
        settings.load.__wrapped__()


def test_how_long_files_live() -> None:
    files = settings.FileSettings(daily=True, max_age=7 * DAY, max_total_bytes=70_000_000)
    assert (files.rotation.interval, files.rotation.max_bytes) == (DAY, 100 * 1024 * 1024)
    assert (files.retention.max_age, files.retention.max_total_bytes) == (7 * DAY, 70_000_000)
    assert settings.FileSettings().retention.is_endless
