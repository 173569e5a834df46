"""The commands about the stack: `up`, `status`, `doctor`, `check-config`."""

from typing import Annotated

import orjson
import typer
from redis import RedisError
from rich.console import Console

from logging_core.streams.connection import shown
from rules.errors import ConfigError
from tasks import checks, settings, wiring
from tasks import status as stack_status
from tocsin import report
from tocsin import up as stack
from tocsin.errors import OperatorError

TROUBLE = 1

_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def up() -> None:
    """Run the whole stack in the foreground until Ctrl-C; a second Ctrl-C kills it."""
    configured = settings.load()
    _check(configured)
    stack.run(configured, Console(soft_wrap=True, highlight=False, markup=False))


def status(*, as_json: _AsJson = False) -> None:
    """Show what became of every record, and how the stack is."""
    configured = settings.load()
    try:
        now = stack_status.gather(wiring.redis_client())
    except RedisError as error:
        where = shown(configured.redis_url)
        raise OperatorError(f"Redis at {where} does not answer, so nothing is known: {error}") from error
    if as_json:
        typer.echo(orjson.dumps(now.as_dict()))
    else:
        Console().print(report.table(now))


def doctor(*, as_json: _AsJson = False) -> None:
    """Find what is wrong with the stack and its surroundings, and say what to do; changes nothing."""
    from tocsin.doctor import findings  # brings the Celery application, which reads the settings as it is imported
    from tocsin.facts import gather

    configured = settings.load()
    found = findings(gather(configured, wiring.redis_client()), configured)
    if as_json:
        typer.echo(orjson.dumps({"findings": [finding._asdict() for finding in found]}))
    else:
        typer.echo("\n".join(map(str, found)) or "nothing found")
    if found:
        raise typer.Exit(TROUBLE)


def check_config() -> None:
    """Read the settings and every file they name; print each mistake as FILE:LINE: key: what is wrong."""
    _check(settings.load())
    typer.echo("no mistakes found")


def _check(configured: settings.Settings) -> None:
    if mistakes := checks.mistakes(configured):
        raise ConfigError(mistakes)
    for doubt in checks.doubts(configured):
        typer.echo(f"warning: {doubt}", err=True)
