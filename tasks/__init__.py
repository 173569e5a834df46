"""When does it happen? The Celery application, its schedule, and one thin task a step."""

import sys


def __getattr__(name: str) -> object:
    """`celery -A tasks` asks for `celery`; whoever imports a module of ours need not build it."""
    if name == "celery":
        from rules.errors import ConfigError

        try:
            from tasks.app import app
        except ConfigError as error:  # a mistake in the settings is a line, never a traceback
            sys.exit(str(error))
        return app
    raise AttributeError(name)
