"""What an export needs, and how to install it where it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """A block of imports that an extra of ours brings.

    Raises:
        ImportError: one of them is not installed; the text says what to install.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{error.name} is missing: pip install 'tocsin[{name}]'", name=error.name) from error
