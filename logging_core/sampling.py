"""Which records are kept."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Repeated(NamedTuple):
    """Records that were held back."""

    logger: str
    level: int
    text: str
    times: int


class Sampling:
    """Settings."""

    def __init__(self, **options: Any) -> None:
        pass


class Sampler:
    """Decides."""

    def __init__(self, settings: Sampling) -> None:
        pass

    def keep(self, level: int, logger: str, message: str, fields: Mapping[str, Any]) -> bool:
        """Whether."""
        return True

    def due(self) -> list[Repeated]:
        """What is to be told."""
        return []
