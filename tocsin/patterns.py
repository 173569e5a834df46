"""The commands `tocsin patterns`, for those who write error patterns."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import orjson
import typer

from logging_core.errors import ConfigError
from logging_core.printable import printable

FINE, MISTAKES, BAD = 0, 1, 2
FOUND, NOTHING = 0, 1
CHECK_EPILOG = "Exit codes: 0 no mistakes, 1 mistakes were found, 2 bad use."
TRY_EPILOG = "Exit codes: 0 lines were found, 1 none were, 2 bad use, or a file that has mistakes or cannot be read."
LINE_SHOWN = 200  #: characters of a line

app = typer.Typer(help="Check, try and list the patterns by which errors are known.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


# Hyperscan and the types are imported by the commands, since every other command of `tocsin` does without them.


@app.command(epilog=CHECK_EPILOG)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pattern files.")], *, as_json: AsJson = False
) -> None:
    """Print each mistake as FILE:LINE: key: what is wrong; samples are tried beside the types that ship."""
    from rules.patterns.check import check as mistakes_of

    mistakes = mistakes_of(files)
    if as_json:
        typer.echo(orjson.dumps({"mistakes": mistakes}))
    else:
        typer.echo("\n".join(mistakes) or "no mistakes found")
    raise typer.Exit(MISTAKES if mistakes else FINE)


@app.command("try", epilog=TRY_EPILOG)
def try_(
    file: Annotated[Path, typer.Argument(help="A pattern file.")],
    log: Annotated[Path, typer.Argument(metavar="LOG", help="A log as plain text; - is standard input.")],
    *,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Show the first N lines.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what the types of FILE find in LOG, by which pattern, and what their exclusions silence.

    Every line is looked at by itself, whatever its level; `tocsin analyze` looks at whole records, and leaves out those
    that say of themselves that they are no failure.
    """
    from rules.patterns.load import load_patterns
    from rules.patterns.trial import Trial

    try:
        trial = Trial(load_patterns([file]))
    except ConfigError as error:
        typer.echo(error, err=True)
        raise typer.Exit(BAD) from None
    with _opened(log) as stream:
        shown = [found for number, found in enumerate(trial.run(stream)) if number < limit]
    if as_json:
        lines = [found._asdict() for found in shown]
        counts = {"types": dict(trial.types), "silenced": dict(trial.silenced), "read": trial.lines}
        typer.echo(orjson.dumps({**counts, "lines": lines}))
    else:
        for found in shown:
            silenced = f", but {found.exclusion!r} silences it" if found.exclusion else ""
            typer.echo(f"{log}:{found.line}: {found.type} by {found.pattern!r}{silenced}")
            typer.echo(f"    {printable(found.text[:LINE_SHOWN])}")
        for name, count in trial.types.items():
            typer.echo(f"{name}: {count:,} of {trial.lines:,} lines, {trial.silenced[name]:,} silenced")
    raise typer.Exit(FOUND if trial.types.total() else NOTHING)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the types that ship, the highest priority first, and what is done about each."""
    from recovery.runbook import load_runbooks
    from rules.patterns.load import load_patterns

    types, runbooks = load_patterns(), load_runbooks()
    actions = {each.type: runbooks[each.type].actions if each.type in runbooks else () for each in types}
    if as_json:
        rows = [
            {"type": each.type, "severity": each.severity, "priority": each.priority, "actions": actions[each.type]}
            for each in types
        ]
        typer.echo(orjson.dumps({"types": rows}))
        return
    for each in types:
        done = ", ".join(actions[each.type]) or "people are told"
        typer.echo(f"{each.type:<18} {each.severity:<9} {each.priority:>4}  {done}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of pattern files, for editors."""
    from rules.patterns.model import json_schema

    typer.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2))


@contextmanager
def _opened(log: Path) -> Iterator[BinaryIO]:
    if str(log) == "-":
        yield sys.stdin.buffer
        return
    try:
        with log.open("rb") as stream:
            yield stream
    except OSError as error:
        typer.echo(f"{log}: {error.strerror}", err=True)
        raise typer.Exit(BAD) from None
