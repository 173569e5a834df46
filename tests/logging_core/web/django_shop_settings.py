"""The settings of the small project: what Django would make of logging by itself, and our handler by name."""

import os

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "tests.logging_core.web.django_shop"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHOP_LOG"] + ".sqlite"}}
INSTALLED_APPS = [
    "logging_core.web.django.TocsinConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIDDLEWARE = [
    "logging_core.web.django.RequestLogging",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ADMINS = [("admin", "admin@example.com")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["SHOP_LOG"] + ".mail"
TOCSIN = {
    "name": "shop",
    "slow_query_ms": 20,
    "quiet_exceptions": ["tests.logging_core.web.django_shop.OutOfStockError"],
    "resource_interval": None,
}
LOGGING = {
    "version": 1,
    "handlers": {
        "tocsin": {"class": "tests.logging_core.web.json_file.JsonFile", "path": os.environ["SHOP_LOG"]},
        "mail": {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"},
    },
    "root": {"handlers": ["tocsin"], "level": "INFO"},
    "loggers": {"django": {"handlers": ["mail"]}},
}
