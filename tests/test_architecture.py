import subprocess
import sys

import pytest

HEAVY = (
    *("celery", "kombu", "redis", "pydantic", "numpy", "requests", "yaml", "msgspec", "asyncio", "fastjsonschema"),
    *("flask", "django", "starlette", "sqlalchemy", "prometheus_client", "psutil", "pythonjsonlogger"),
    *("opentelemetry", "sentry_sdk"),
)


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules that `import logging_core` brings into an application."""
    program = "import sys; before = set(sys.modules); import logging_core; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", HEAVY)
def test_importing_logging_core_brings_no_heavy_package(imported, package):
    assert not {name for name in imported if name == package or name.startswith(f"{package}.")}


@pytest.mark.parametrize("package", ["rules", "alerts", "recovery", "tasks", "dashboard", "tocsin"])
def test_importing_logging_core_brings_no_other_package_of_ours(imported, package):
    assert package not in imported
