import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.cli import COMMANDS

BAD_RULES = """\
groups:
  - name: shop
    rules:
      - alert: Broken
        expr: sum(
"""


def tocsin(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
    command = [sys.executable, "-P", "-m", "tocsin", *arguments]
    return subprocess.run(command, cwd=folder, env=inherited | environment, capture_output=True, text=True, timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_version_is_told(tmp_path):
    done = tocsin("--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "tocsin 0.1.0\n")


@pytest.mark.parametrize("arguments", [["sing"], ["status", "--xml"]])
def test_bad_use_exits_2(tmp_path, arguments):
    assert tocsin(*arguments, folder=tmp_path).returncode == 2


def test_the_exit_codes_are_documented(tmp_path):
    assert "0 all is well, 1 trouble was found, 2 bad use" in tocsin("status", "--help", folder=tmp_path).stdout


def test_status_without_redis_says_so_in_one_line_without_the_password(tmp_path):
    done = tocsin("status", folder=tmp_path, REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("Redis at redis://:**@127.0.0.1:1/0 does not answer")
    assert "hunter2" not in done.stderr


def test_up_without_the_redis_that_is_named_says_so_and_starts_nothing(tmp_path):
    done = tocsin("up", folder=tmp_path, REDIS_URL="redis://127.0.0.1:1/0", TOCSIN__WEB__PORT=str(_free_port()))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("Redis at redis://127.0.0.1:1/0 does not answer")


def test_a_configuration_without_mistakes_passes(tmp_path):
    done = tocsin("check-config", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no mistakes found\n", "")


def test_a_level_may_be_written_small(tmp_path):
    assert tocsin("check-config", folder=tmp_path, LOG_LEVEL="debug").returncode == 0


def test_what_is_hardly_meant_is_a_warning(tmp_path):
    (tmp_path / "tocsin.yml").write_text("alerts: {config: alertmanager.yml}\n")
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: ops}\nreceivers: [{name: ops}]\n")
    done = tocsin("check-config", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no mistakes found\n")
    assert done.stderr.startswith("warning: alertmanager.yml: receiver 'ops' has no slack_configs")


@pytest.mark.parametrize("command", ["check-config", "up"])
def test_every_mistake_of_every_file_is_told_with_its_place(tmp_path, command):
    (tmp_path / "tocsin.yml").write_text("rules: {files: [rules.yml]}\nalerts: {config: alertmanager.yml}\n")
    (tmp_path / "rules.yml").write_text(BAD_RULES)
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: nobody}\nrecievers: []\n")
    done = tocsin(command, folder=tmp_path)
    assert done.returncode == 1
    assert "rules.yml:5: " in done.stderr
    assert "alertmanager.yml:2: recievers: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "file", "wanted"),
    [
        ({"TOCSIN__REDIS__PORT": "many"}, "", "TOCSIN__REDIS__PORT: Input should be a valid integer"),
        ({"TOCSIN__RULES__FILES": "a.yml"}, "", "TOCSIN__RULES__FILES: a list or a section is given as JSON"),
        ({"REDIS_URL": "foo"}, "", "REDIS_URL: must be a URL such as redis://HOST:PORT/0"),
        ({"REDIS_URL": "redis://:p/w@h:1"}, "", "REDIS_URL: must be a URL such as redis://HOST:PORT/0"),
        ({"TOCSIN__REDIS__BROKER_URL": "rabbit://h"}, "", "TOCSIN__REDIS__BROKER_URL: must be a URL of a broker"),
        ({"SLACK_WEBHOOK_URL": "hooks.slack.com/x"}, "", "SLACK_WEBHOOK_URL: must be an http or https URL"),
        ({"LOG_LEVEL": "LOUD"}, "", "LOG_LEVEL: Input should be 'DEBUG'"),
        ({}, "redis:\n  prot: 1\n", "tocsin.yml:2: redis.prot: unknown key"),
        ({"TOCSIN_CONFIG": "absent.yml"}, "", "absent.yml: no such file"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_place(tmp_path, environment, file, wanted):
    (tmp_path / "tocsin.yml").write_text(file)
    done = tocsin("check-config", folder=tmp_path, **environment)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(wanted)


def test_the_help_tells_of_every_command(tmp_path):
    told = tocsin("--help", folder=tmp_path, COLUMNS="200").stdout
    for name in COMMANDS:
        assert f" {name} " in told


@pytest.mark.parametrize("arguments", [["--version"], ["genlog", "--help"], ["analyze", "--help"], ["perf", "--help"]])
def test_what_needs_neither_celery_nor_redis_does_not_import_them(tmp_path, arguments):
    code = (
        "import sys; from tocsin.cli import main\n"
        f"sys.argv[1:] = {arguments}\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print(*{'celery', 'redis', 'pydantic_settings', 'requests'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("", "")
