"""The actions there are, by name."""

from collections.abc import Mapping

from recovery.actions.base import Action
from recovery.actions.clean_cache import CleanCache

ACTIONS: Mapping[str, type[Action]] = {CleanCache.name: CleanCache}
