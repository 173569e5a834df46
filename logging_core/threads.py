"""How threads of ours begin: late, and not where that would hurt the application."""

import sys
import threading
import time

from logging_core.complaints import complain

_AGAIN_AFTER = 1.0  #: seconds
_not_before = 0.0  # monotonic seconds: there was no thread to be had
_complained = False


def begun(thread: threading.Thread) -> bool:
    """Begin a thread; False: there is none to be had now, and it is worth another try later, with another one.

    The interpreter may be ending, or a limit be reached. Beside gevent's main thread nothing is begun: it would be a
    greenlet of a native thread that hardly ever runs it, and perhaps never again once it holds a lock.
    """
    global _not_before, _complained
    if time.monotonic() < _not_before or _is_beside_gevent():
        return False
    try:
        thread.start()
    except RuntimeError as error:
        _not_before = time.monotonic() + _AGAIN_AFTER
        if not _complained:
            _complained = True
            complain(f"no thread for log records: {error}")
        return False
    return True


def _is_beside_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return False
    return not sys.modules["gevent.hub"].get_hub().main_hub
