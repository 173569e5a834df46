"""`python -P -m tocsin.supervisord` is supervisord that ends, with all it started, when `tocsin up` dies."""

import ctypes
import os
import signal
import sys

from supervisor.supervisord import main

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow(parent: int) -> None:
    """Be sent SIGTERM when the process `parent`, which started this one, dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)  # it died before we asked


if __name__ == "__main__":
    follow(int(sys.argv.pop(1)))
    main()
