"""Channels: records of a kind that also have a file of their own, `<channel>.log`, beside app.log and errors.log."""

import re
from typing import TypeGuard

#: The layers that every application may have; there is always room for them.
WELL_KNOWN = frozenset({"access", "ai_responses", "audit", "system"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TAKEN = frozenset({"app", "errors"})


def is_channel(value: object) -> TypeGuard[str]:
    """Whether a record's field `channel` names one: the value becomes a file's name, and anybody may have set it."""
    return type(value) is str and _NAME.fullmatch(value) is not None and value not in _TAKEN
