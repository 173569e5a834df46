"""Tracebacks as Python prints them: plain, chained, of exception groups."""

from random import Random

from tocsin.planting.failures import Thrown

_FRAMES = (
    ("/app/shop/views.py", "place_order", "order = checkout(basket)"),
    ("/app/shop/checkout.py", "checkout", "return reserve(items, store)"),
    ("/app/shop/stock.py", "reserve", "row = source.load(item.id)"),
    ("/app/shop/jobs.py", "nightly", "report = build(day)"),
    ("/app/shop/reports.py", "build", "totals = summed(rows)"),
    ("/usr/lib/python3/dist-packages/celery/app/trace.py", "trace_task", "R = retval = fun(*args, **kwargs)"),
    (
        "/usr/lib/python3/dist-packages/django/core/handlers/base.py",
        "_get_response",
        "response = wrapped(request)",
    ),
)
_HEAD = "Traceback (most recent call last):"
_CAUSE = "\n\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
_OTHERS = (
    Thrown("shop.errors.OrderRefused", "order § cannot be placed"),
    Thrown("shop.errors.ReportMissing", "there is no report of day §"),
)


def plain(thrown: Thrown, rng: Random, depth: int = 3) -> str:
    """The traceback of one exception, its last line without its end."""
    return "\n".join((_HEAD, *_frames(rng, depth), f"{thrown.before}{_last(thrown)}"))


def with_note(thrown: Thrown, rng: Random) -> str:
    """The same, with a note that the program added."""
    return f"{plain(thrown, rng)}\nwhile row § was imported"


def chained(thrown: Thrown, rng: Random) -> str:
    """The exception, and one of the application that it led to."""
    between = rng.choice((_CAUSE, _CONTEXT))
    return plain(thrown, rng, 2) + between + plain(rng.choice(_OTHERS), rng, 2)


def grouped(thrown: Thrown, rng: Random) -> str:
    """An exception group of two, one of which is the exception."""
    lines = [
        f"  + Exception Group {_HEAD}",
        *(f"  | {line}" for line in _frames(rng, 1)),
        "  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)",
    ]
    for number, each in enumerate((rng.choice(_OTHERS), thrown), start=1):
        lines.append(f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------")
        lines += (f"    | {line}" for line in plain(each, rng, 1).splitlines())
    return "\n".join((*lines, "    +------------------------------------"))


def _frames(rng: Random, depth: int) -> list[str]:
    lines = []
    for file, function, source in rng.sample(_FRAMES, depth):
        lines += [f'  File "{file}", line {rng.randint(10, 400)}, in {function}', f"    {source}"]
        if depth < 3 and rng.random() < 0.3:
            at = source.find("=") + 2
            lines.append(f"    {' ' * at}{'^' * (len(source) - at)}")
    return lines


def _last(thrown: Thrown) -> str:
    return f"{thrown.type}: {thrown.message}" if thrown.message else thrown.type
