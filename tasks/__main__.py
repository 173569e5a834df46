"""`python -P -m tasks worker ...` is `celery -A tasks worker ...` that no tasks.py in the working folder can shadow."""

import sys
from importlib import import_module

from rules.errors import ConfigError

try:
    from tasks.app import app
except ConfigError as error:  # a mistake in the settings is a line, never a traceback
    sys.exit(str(error))

for module in app.conf.include:
    import_module(module)  # now, since Celery would look for it, and for all it imports, in the working folder first
sys.exit(app.start(sys.argv[1:]))
