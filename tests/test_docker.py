"""What is shipped for other people's collectors names the files that we write, and files that are there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal
from logging_core.storage.rotation import Rotation
from logging_core.streams.shard import Entry
from rules.record import Record
from tasks.record_files import RecordFiles

DOCKER = Path(__file__).parent.parent / "docker"
LOG_DIR = re.search(r"LOG_DIR=(\S+)", (DOCKER / "Dockerfile").read_text()).group(1)  # type: ignore[union-attr]


def shipped(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text())


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """Two shards' files, as their writers make them, with a channel like `app`, errors and sealed generations."""
    records = [Record(level="ERROR", channel="access"), Record(channel="app_metrics"), Record(channel="audit")]
    entry = Entry(id=b"1-1", producer="p", first=1, count=3, service="shop", body=b"{}\n" * 3)
    for shard in (0, 1):
        journal = Journal(tmp_path, 0.0, shard)
        store = FileStore(tmp_path, journal, Rotation(max_bytes=5, backups=9))
        files = RecordFiles(store, journal, shard)
        for _ in range(2):
            files.append(entry, records, 0)
            journal.record(store.sync(), {})
            store.rotate()
        files.append(entry, records, 0)
        store.close()
        journal.close()
    (tmp_path / "shop" / "app.log.2").rename(tmp_path / "shop" / "app.log.2.gz")
    (tmp_path / "app.log").touch()  # without Redis the files are flat
    return tmp_path


def found(patterns: list[str], log_dir: Path) -> set[str]:
    assert all(pattern.startswith(f"{LOG_DIR}/") for pattern in patterns)
    paths = [path for each in patterns for path in log_dir.glob(each.removeprefix(f"{LOG_DIR}/"))]
    assert len(paths) == len(set(paths))
    return {str(path.relative_to(log_dir)) for path in paths}


def test_filebeat_reads_every_record_once(log_dir: Path) -> None:
    (source,) = shipped("filebeat.yml")["filebeat.inputs"]
    (gzip, zstd) = source["prospector.scanner.exclude_files"]
    read = {each for each in found(source["paths"], log_dir) if not re.search(gzip, each) and not re.search(zstd, each)}
    assert read == {
        "app.log",
        "shop/app.log",
        "shop/app-1.log",
        "shop/app.log.1",
        "shop/app-1.log.1",
        "shop/app-1.log.2",
    }


def test_promtail_reads_every_record_once(log_dir: Path) -> None:
    (job,) = shipped("promtail.yml")["scrape_configs"]
    patterns = [each["labels"]["__path__"] for each in job["static_configs"]]
    assert found(patterns, log_dir) == {"app.log", "shop/app.log", "shop/app-1.log"}


def test_no_label_of_loki_is_an_id() -> None:
    (job,) = shipped("promtail.yml")["scrape_configs"]
    stages = {name: stage for each in job["pipeline_stages"] for name, stage in each.items()}
    assert set(stages["labels"]) == {"level", "service", "channel"}
    assert set(stages["labels"]) | set(stages["structured_metadata"]) <= set(stages["json"]["expressions"])


def test_logstash_has_its_brackets_and_takes_the_fields_that_records_have() -> None:
    text = re.sub(r'#.*|"[^"]*"', "", (DOCKER / "logstash.conf").read_text())
    for opening, closing in ("{}", "[]"):
        assert text.count(opening) == text.count(closing) > 0
    assert re.findall(r"^(\w+) {", text, re.MULTILINE) == ["input", "filter", "output"]
    whole = (DOCKER / "logstash.conf").read_text()
    assert 'match => ["timestamp", "ISO8601"]' in whole
    assert 'source => "[request][ip]"' in whole


def test_compose_mounts_files_that_are_there_and_the_logs_where_they_are_read() -> None:
    compose = shipped("compose.yaml")
    profiles = {profile for each in compose["services"].values() for profile in each.get("profiles", ())}
    assert profiles == {"loki", "elk"}
    volumes = [volume for each in compose["services"].values() for volume in each.get("volumes", ())]
    sources = {volume.split(":")[0] for volume in volumes}
    assert {source for source in sources if not source.startswith("./")} == compose["volumes"].keys()
    files = {source for source in sources if source.startswith("./") and source != "./config"}
    assert files == {"./filebeat.yml", "./logstash.conf", "./promtail.yml", "./grafana-loki.yml"}
    assert all((DOCKER / file).is_file() for file in files)
    for name in ("filebeat", "promtail"):
        assert f"logs:{LOG_DIR}:ro" in compose["services"][name]["volumes"]
    assert shipped("grafana-loki.yml")["datasources"][0]["url"] == "http://loki:3100"
