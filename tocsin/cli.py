"""The command `tocsin`. Exit codes: 0 all is well, 1 trouble was found, 2 bad use.

A command's module is imported when it is asked for: most need Celery and the settings, some nothing of the kind.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from logging_core.errors import ConfigError
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
    "patterns": Command("tocsin.patterns", "app"),
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
    made = getattr(module, of.function)
    if isinstance(made, typer.Typer):  # commands of its own
        group = typer.main.get_group(made)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, epilog=getattr(module, "EPILOG", EXIT_CODES))(made)
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
