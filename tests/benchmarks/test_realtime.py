"""The benchmark of the realtime log, cut short."""

import json
import subprocess
import sys
from pathlib import Path


def test_it_loses_nothing_and_tells_what_was_promised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.realtime", "--json", "--seconds", "0.2", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["scenes"]) == {"basic", "concurrent", "high throughput", "flat out"}
    assert all(each["taken"] + each["refused"] == each["offered"] for each in told["scenes"].values())
    assert {row["promised"] for row in told["promises"]} == {10_000, 1.0, 10.0, 0.01, 100, 0}
    assert list(tmp_path.iterdir()) == []
