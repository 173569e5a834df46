"""`python -P -m tasks worker ...` is `celery -A tasks worker ...` that no tasks.py in the working folder can shadow."""

import sys

from tasks.app import app

sys.exit(app.start(sys.argv[1:]))
