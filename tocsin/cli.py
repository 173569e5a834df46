"""The command `tocsin`. Exit codes: 0 all is well, 1 trouble was found, 2 bad use.

A command's module is imported when it is asked for: most need Celery and the settings, some nothing of the kind.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

<<<<<<< HEAD
from logging_core.errors import ConfigError
=======
from logging_core.streams.connection import shown
from rules.errors import ConfigError
from tasks import checks, settings, wiring
from tasks import status as stack_status
from tocsin import logs, patterns, report, up
>>>>>>> h-patterns
from tocsin.errors import OperatorError

TROUBLE = 1
EXIT_CODES = "Exit codes: 0 all is well, 1 trouble was found, 2 bad use."


class Command(NamedTuple):
    """Where a command is."""

    module: str
    function: str = "command"


#: In the order of the help. A module's `EPILOG` says what its commands' exit codes mean.
COMMANDS: Mapping[str, Command] = {
    "up": Command("tocsin.stack_commands", "up"),
    "logs": Command("tocsin.logs"),
    "status": Command("tocsin.stack_commands", "status"),
    "doctor": Command("tocsin.stack_commands", "doctor"),
    "check-config": Command("tocsin.stack_commands", "check_config"),
    "analyze": Command("tocsin.analyze"),
    "genlog": Command("tocsin.genlog"),
    "perf": Command("tocsin.perf"),
}


class _Commands(TyperGroup):
    """Makes a command of `COMMANDS` when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.add_command(_made(cmd_name, COMMANDS[cmd_name]))
        return self.commands[cmd_name]


def _made(name: str, of: Command) -> Any:
    module = import_module(of.module)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, epilog=getattr(module, "EPILOG", EXIT_CODES))(getattr(module, of.function))
    return typer.main.get_command(alone)


app = typer.Typer(
    name="tocsin",
    cls=_Commands,
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
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
<<<<<<< HEAD
=======


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
>>>>>>> h-patterns
