"""Of the example applications under gunicorn: two workers, and `/metrics` that tells of both."""

from logging_core.web.gunicorn import child_exit as child_exit
from logging_core.web.gunicorn import share_metrics

share_metrics()
workers = 2
