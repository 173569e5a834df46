"""The command `tocsin`. Exit codes: 0 all is well, 1 trouble was found, 2 bad use."""

from importlib.metadata import version as installed_version
from typing import Annotated

import orjson
import typer
from redis import RedisError
from rich.console import Console

from logging_core.streams.connection import shown
from rules.errors import ConfigError
from tasks import checks, settings, wiring
from tasks import status as stack_status
from tocsin import logs, patterns, report, up
from tocsin.errors import OperatorError

TROUBLE = 1
EXIT_CODES = "Exit codes: 0 all is well, 1 trouble was found, 2 bad use."

app = typer.Typer(
    name="tocsin",
    help="Logging, alerting and self-healing for Python web applications.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The console script: an expected failure is a line on stderr, never a traceback."""
    try:
        app()
    except (ConfigError, OperatorError) as error:
        typer.echo(error, err=True)
        raise SystemExit(TROUBLE) from None


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {installed_version('tocsin')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command("up", epilog=EXIT_CODES)
def up_command() -> None:
    """Run the whole stack in the foreground until Ctrl-C; a second Ctrl-C kills it."""
    configured = settings.load()
    _check(configured)
    up.run(configured, Console(soft_wrap=True, highlight=False, markup=False))


app.command("logs", epilog=logs.EPILOG)(logs.command)
app.add_typer(patterns.app, name="patterns")


@app.command(epilog=EXIT_CODES)
def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
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


@app.command(epilog=EXIT_CODES)
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
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


@app.command(epilog=EXIT_CODES)
def check_config() -> None:
    """Read the settings and every file they name; print each mistake as FILE:LINE: key: what is wrong."""
    _check(settings.load())
    typer.echo("no mistakes found")


def _check(configured: settings.Settings) -> None:
    if mistakes := checks.mistakes(configured):
        raise ConfigError(mistakes)
    for doubt in checks.doubts(configured):
        typer.echo(f"warning: {doubt}", err=True)
