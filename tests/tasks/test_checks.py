"""The start-up checks build what a worker builds; a worker runs them before it takes a task."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import checks
from tasks.settings import AlertSettings, CacheFolder, FileSettings, RecoverySettings, Settings

ONE = "route: {receiver: ops}\nreceivers: [{name: ops, %s}]\n"


@pytest.fixture
def told(tmp_path: Path):
    def configure(receiver: str) -> Settings:
        file = tmp_path / "alertmanager.yml"
        file.write_text(ONE % receiver)
        return Settings(alerts=AlertSettings(config=file))

    return configure


def test_what_ships_has_no_mistakes():
    assert checks.mistakes(Settings()) == []
    assert checks.doubts(Settings()) == []


def test_a_slack_webhook_url_that_is_none_is_a_mistake():
    of = Settings(alerts=AlertSettings(slack_webhook_url="hooks.slack.com/services/T/B/sesame"))
    assert checks.mistakes(of) == ["SLACK_WEBHOOK_URL: must be an http or https URL"]


def test_a_secret_that_cannot_be_read_is_a_mistake(told, tmp_path):
    (mistake,) = checks.mistakes(told("slack_configs: [{api_url_file: absent}]"))
    assert mistake == f"receiver ops/slack/0: cannot read {tmp_path}/absent: No such file or directory"


def test_a_receiver_that_tells_nobody_is_doubted(told):
    of = told("slack_configs: []")
    assert checks.mistakes(of) == []
    (doubt,) = checks.doubts(of)
    assert doubt.endswith("receiver 'ops' has no slack_configs and no email_configs: nobody is told")


def test_a_total_that_leaves_room_for_no_sealed_file_is_doubted():
    (doubt,) = checks.doubts(Settings(files=FileSettings(max_total_bytes=70_000_000)))
    assert doubt.startswith("files.max_total_bytes 70000000 is less than twice files.max_bytes 104857600")
    assert checks.doubts(Settings(files=FileSettings(max_total_bytes=70_000_000, max_bytes=10_000_000))) == []


def test_an_action_that_cannot_be_taken_yet_is_doubted(tmp_path):
    (tmp_path / "mine.yml").write_text("runbooks: [{type: Timeout, actions: [clean_cache, restart_service]}]\n")
    of = Settings(recovery=RecoverySettings(runbooks=(tmp_path / "mine.yml",)))
    assert checks.mistakes(of) == []
    (doubt,) = checks.doubts(of)
    assert doubt == "recovery.runbooks: Timeout: restart_service: advised, since it cannot be taken yet"


def test_a_folder_that_may_not_be_emptied_is_a_mistake_and_one_that_is_not_there_yet_is_none(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    folders = {"root": Path("/"), "link": tmp_path / "link", "later": tmp_path / "later"}
    named = [CacheFolder(name=name, path=path, max_bytes=0) for name, path in folders.items()]
    found = checks.mistakes(Settings(recovery=RecoverySettings(cache_folders=named)))
    assert found == [
        "cache folder root: / is too near the root",
        f"cache folder link: {tmp_path}/link is not a folder, or is reached through a link",
    ]


@pytest.mark.parametrize("program", [["celery", "-A"], ["-P", "-m"]])
def test_a_worker_with_a_mistake_in_its_settings_says_it_in_a_line(tmp_path, program):
    module = ["-m"] if program[0] == "celery" else []
    command = [sys.executable, *module, *program, "tasks", "worker"]
    environment = os.environ | {"REDIS_URL": "foo"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("REDIS_URL: must be a URL")
    assert "Traceback" not in done.stderr


def test_a_worker_with_mistakes_says_them_all_and_takes_no_task(tmp_path):
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'histogram_quantile(0.9, x)'}]}]")
    (tmp_path / "alertmanager.yml").write_text(ONE % "pagerduty_configs: []")
    (tmp_path / "tocsin.yml").write_text("rules: {files: [rules.yml]}\nalerts: {config: alertmanager.yml}\n")
    command = [sys.executable, "-P", "-m", "tasks", "worker", "-Q", "evaluate", "-c", "1"]
    environment = os.environ | {"TOCSIN_CONFIG": "tocsin.yml"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "histogram_quantile" in done.stderr
    assert "alertmanager.yml:2: receivers[0].pagerduty_configs: not supported yet" in done.stderr
    assert "Traceback" not in done.stderr
