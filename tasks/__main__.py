"""`python -P -m tasks worker ...` is `celery -A tasks worker ...` that no tasks.py in the working folder can shadow."""

import sys
from importlib import import_module

from tasks.app import app

for module in app.conf.include:
    import_module(module)  # now, since Celery would look for it, and for all it imports, in the working folder first
sys.exit(app.start(sys.argv[1:]))
