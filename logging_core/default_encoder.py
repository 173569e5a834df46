"""How the records of this program are written where `init_logging` has no say: by the handlers that stand alone."""

import os
import sys
from pathlib import Path

from logging_core.record import Encoder
from logging_core.stream import SERVICE_NAME


def default_encoder() -> Encoder:
    """For the service that `TOCSIN_SERVICE` names, else the running program."""
    name = os.environ.get("TOCSIN_SERVICE") or Path(sys.argv[0] if sys.argv else "").stem
    return Encoder(name if SERVICE_NAME.fullmatch(name) else "app")
