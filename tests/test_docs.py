"""What the README shows is run: its Python on the running stack, its configuration by `tocsin check-config`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import Stack
from tests.waiting import wait_until

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.stack
def test_the_python_of_the_readme_does_what_it_says(stack: Stack) -> None:
    program = "\n".join(blocks("python"))
    environment = os.environ | {"REDIS_URL": stack.redis_url}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "'accepted': 2" in done.stdout
    assert done.stderr == ""
    wait_until((stack.log_dir / "shop/errors.log").exists, what="the files")
    records = [json.loads(line) for line in (stack.log_dir / "shop/app.log").read_text().splitlines()]
    assert [(record["message"], record.get("left")) for record in records] == [
        ("stock is low", 3),
        ("order failed", None),
    ]
    assert [
        json.loads(line)["error"]["type"] for line in (stack.log_dir / "shop/errors.log").read_text().splitlines()
    ] == ["KeyError"]
    wait_until(lambda: any("KeyError" in json.dumps(post.body) for post in stack.slack.posts), what="Slack")


def test_the_configuration_of_the_readme_has_no_mistakes(tmp_path: Path) -> None:
    secret = tmp_path / "slack"
    secret.write_text("https://hooks.slack.com/services/T0/B0/x")
    files = {block.split("\n")[0].removeprefix("# "): block for block in blocks("yaml")}
    assert set(files) == {"tocsin.yml", "rules.yml", "alertmanager.yml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("/run/secrets/slack", str(secret)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
    command = [sys.executable, "-P", "-m", "tocsin", "check-config"]
    done = subprocess.run(command, cwd=tmp_path, env=inherited, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no mistakes found\n", "")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make (\w+)", README))))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
