"""What the pages on asynchronous and realtime logging show is run, as one program each."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(page: str, folder: Path) -> str:
    """Run the page's Python in a folder that has its YAML; what it printed."""
    text = (ROOT / "docs" / page).read_text()
    for name, yaml in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(yaml)
    program = folder / "program.py"
    program.write_text("\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, program], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(pattern: str, folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in folder.glob(pattern) for line in path.read_text().splitlines()]


def test_asynchronous_logging(tmp_path: Path) -> None:
    assert "'drops': 0" in run("async-logging.md", tmp_path)
    [record] = records("logs/order_book.log", tmp_path)
    assert (record["message"], record["spread"]) == ("spread is wide", 12.5)


def test_the_realtime_log(tmp_path: Path) -> None:
    assert "'written': 101" in run("realtime.md", tmp_path)
    assert [record["message"] for record in records("logs/realtime/*.jsonl", tmp_path)] == ["export", "resize"]
    assert len(records("logs/custom/my_app_*.jsonl", tmp_path)) == 101
