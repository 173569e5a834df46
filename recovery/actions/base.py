"""The contract of an action, already bound to the one target it may be used on."""

from typing import ClassVar, Protocol

from recovery.model import Measurement


class Action(Protocol):
    """Something that may heal. It measures and it acts; whether it helped is decided by measuring again.

    Where a method raises, the attempt has failed.
    """

    name: ClassVar[str]

    @property
    def target(self) -> str:
        """The configured name of what it acts on."""

    def measure(self) -> Measurement:
        """The target now, looked at afresh."""

    def is_healthy(self, measured: Measurement) -> bool:
        """Whether there is nothing to heal."""

    def act(self, now: float) -> str:
        """Do it; says what was done. `now` is the host's own time in Unix seconds."""
