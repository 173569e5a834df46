"""`python -P -m dashboard` serves the web application where the settings say."""

import uvicorn

from dashboard.app import app
from tasks import settings

web = settings.load().web
uvicorn.run(app, host=web.host, port=web.port, access_log=False)
