"""What gunicorn (WSGI) and uvicorn (ASGI) import of the small project on Django."""

import os

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

application = get_asgi_application() if os.environ.get("DJANGO_ASGI") else get_wsgi_application()
