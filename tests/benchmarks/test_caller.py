import json
import subprocess
import sys

from benchmarks.contenders import NAMES


def test_every_contender_is_measured_and_loses_nothing():
    command = [sys.executable, "-m", "benchmarks.caller", "--records", "2000", "--rounds", "1", "--json"]
    results = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=100).stdout)
    for figures in results.values():
        assert set(figures) == set(NAMES)
        assert all(0 < own["p50"] <= own["p99"] for own in figures.values())
        assert figures["stdlib queue"]["p50_ratio"] == 1
