"""What a forked child has to begin anew, and what it has to finish.

Threads do not survive a fork, and locks that they held stay held for ever. A child that `multiprocessing` forked ends
without `atexit`.
"""

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

#: Bound methods, held weakly: what nobody uses any more is not kept.
_RENEWALS: "list[weakref.WeakMethod[Callable[[], None]]]" = []


def renew_in_child(renew: Callable[[], None]) -> None:
    """Call this bound method in each child that is forked from now on, for as long as its object lives."""
    _RENEWALS[:] = [each for each in _RENEWALS if each() is not None]
    _RENEWALS.append(weakref.WeakMethod(renew))


def call_before_child_ends(finish: Callable[[], Any]) -> None:
    """Call this bound method when this process ends, if `multiprocessing` has begun it, and its object still lives."""
    module = sys.modules.get("multiprocessing.util")
    if module is not None:
        method = weakref.WeakMethod(finish)
        module.Finalize(None, _call, args=(method,), exitpriority=0)


def _renew() -> None:
    for each in _RENEWALS:
        _call(each)


def _call(method: "weakref.WeakMethod[Callable[[], Any]]") -> None:
    bound = method()
    if bound is not None:
        bound()


os.register_at_fork(after_in_child=_renew)
