"""The actions there are, by name."""

from collections.abc import Mapping

from recovery.actions.base import Action
from recovery.actions.clean_cache import CleanCache

#: What may be planned. An action that is not in `ACTIONS` is advice to people: it has no targets, so nothing takes it.
NAMES = (
    "reduce_quant",
    "clean_cache",
    "restore_backup",
    "restart_service",
    "free_gpu_memory",
    "clear_deadlocks",
    "fix_permissions",
)
#: What can be taken.
ACTIONS: Mapping[str, type[Action]] = {CleanCache.name: CleanCache}
