import json
import subprocess
import sys

from benchmarks.guest import TARGETS


def test_every_row_is_measured():
    command = [sys.executable, "-m", "benchmarks.guest", "--rounds", "1", "--json"]
    results = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=110).stdout)
    assert set(TARGETS) <= set(results)
    assert all(own["ours"] > 0 and own["other"] > 0 for own in results.values())


def test_neither_celery_nor_a_framework_nor_redis_is_imported():
    program = """
import sys
from logging_core import get_logger, init_logging
heavy = {"celery", "flask", "django", "starlette", "fastapi", "redis", "asyncio", "ssl", "requests", "psutil"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
