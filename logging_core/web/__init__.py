"""Integrations with web frameworks, databases and Celery; each is imported only by applications that use it."""
