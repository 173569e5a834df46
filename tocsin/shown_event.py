"""Events as they may be shown: secrets taken out, and nothing that a terminal would take for a command."""

from msgspec.structs import replace

from logging_core.printable import printable
from logging_core.redaction import default_redactor
from rules.event import Event


def shown_event(event: Event) -> Event:
    """The event as it may be printed; its stack has line breaks, and nothing else has any."""
    return replace(
        event,
        logger=shown_text(event.logger),
        message=shown_text(event.message),
        file=printable(event.file),
        exception=shown_text(event.exception),
        stack=shown_lines(event.stack),
    )


def shown_text(text: str) -> str:
    """A text on one line."""
    return printable(default_redactor().text(text)) if text else ""


def shown_lines(text: str) -> str:
    """A text with its line breaks."""
    return "\n".join(printable(line.expandtabs(4)) for line in default_redactor().text(text).split("\n"))
