"""How the records of this program are written by handlers that stand alone, where `init_logging` has no say."""

from logging_core.record import Encoder
from logging_core.redaction import default_redactor
from logging_core.service import service_name


def default_encoder() -> Encoder:
    """For the service that `TOCSIN_SERVICE` names, else the running program; secrets are hidden.

    Raises:
        ValueError: `TOCSIN_SERVICE` could not be the name of a folder.
    """
    return Encoder(service_name(), redactor=default_redactor())
