"""`python -P -m dashboard` serves the web application where the settings say."""

import sys

import uvicorn

from rules.errors import ConfigError
from tasks import settings

try:
    from dashboard.app import app
except ConfigError as error:  # a mistake in the settings is a line, never a traceback
    sys.exit(str(error))

web = settings.load().web
uvicorn.run(app, host=web.host, port=web.port, access_log=False)
