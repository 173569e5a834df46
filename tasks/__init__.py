"""When does it happen? The Celery application, its schedule, and one thin task a step."""

from tasks.app import app as celery

__all__ = ["celery"]
