"""When does it happen? The Celery application, its schedule, and one thin task a step."""


def __getattr__(name: str) -> object:
    """`celery -A tasks` asks for `celery`; whoever imports a module of ours need not build it."""
    if name == "celery":
        from tasks.app import app

        return app
    raise AttributeError(name)
