"""Where logging itself cannot tell what went wrong with it: one line on stderr."""

import sys


def complain(text: str) -> None:
    """Tell whoever runs the application."""
    try:
        sys.stderr.write(f"tocsin: {text}\n")
    except Exception:  # noqa: BLE001, S110  # a closed stderr must not hurt the application
        pass
