"""What recovery speaks of: causes, plans and their steps, refusals, measurements and outcomes."""

from enum import StrEnum

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """The error that asks for healing, and the place of its line."""

    type: str
    source: str
    file: str
    offset: int


class Step(msgspec.Struct, frozen=True):
    """One action on one target. Both are names from the configuration, never text from a log."""

    action: str
    target: str
    cause: Cause

    @property
    def id(self) -> str:
        """What the step does, whatever its cause: many errors ask for one step."""
        return f"{self.action}:{self.target}"


class Plan(msgspec.Struct, frozen=True):
    """The steps against one cause, in order."""

    cause: Cause
    steps: tuple[Step, ...]


class Refusal(StrEnum):
    """Why a step is not taken."""

    NOT_ALLOWED = "not_allowed"  #: the action or its target is not configured
    RUNNING = "running"  #: an attempt on this target is not over
    COOLDOWN = "cooldown"  #: the action was taken on this target a short while ago


class Outcome(StrEnum):
    """How an attempt ended."""

    HEALED = "healed"  #: measured again, the target is within its limit
    NOT_HEALED = "not_healed"  #: measured again, it is not
    NOT_NEEDED = "not_needed"  #: it was within its limit before; nothing was done
    FAILED = "failed"  #: the action broke off
    INTERRUPTED = "interrupted"  #: it never ended: its process died. The next attempt found that out


class Measurement(msgspec.Struct, frozen=True):
    """A folder at one moment."""

    used: int  #: bytes in its files
    free: int  #: bytes left on its file system


class Result(msgspec.Struct, frozen=True):
    """What an attempt came to."""

    outcome: Outcome
    before: Measurement | None = None
    after: Measurement | None = None
    detail: str = ""  #: what was done, or what went wrong
