"""Whose records these are: the name of a service is a folder of log files and a label of every series."""

import os
import re
import sys
from pathlib import Path

SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def service_name(service: str | None = None) -> str:
    """Whose records these are: as given, else `TOCSIN_SERVICE`, else the name of the running program.

    Raises:
        ValueError: it could not be the name of a folder.
    """
    name = service or os.environ.get("TOCSIN_SERVICE") or _program_name()
    if not SERVICE_NAME.fullmatch(name):
        raise ValueError(f"service: letters, digits, '_', '.' and '-', at most 64, not {name!r}")
    return name


def _program_name() -> str:
    name = Path(sys.argv[0] if sys.argv else "").stem
    return name if SERVICE_NAME.fullmatch(name) else "app"
