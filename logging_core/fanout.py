"""One line, several places to go: each record is sampled and encoded once, however many handlers take it."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from logging_core.line_handler import LineHandler
from logging_core.record import Encoder

if TYPE_CHECKING:
    from logging_core.sampling import Sampler


class Fanout(LineHandler):
    """Gives each line to the handlers whose level it reaches; it closes them with itself."""

    def __init__(self, outputs: Sequence[LineHandler], encoder: Encoder, sampler: "Sampler | None" = None) -> None:
        super().__init__(encoder, min((output.level for output in outputs), default=logging.NOTSET), sampler)
        self.outputs = tuple(outputs)
        self.own_threads = _Threads(self.outputs)
        for output in self.outputs:
            output.front = self

    def put(self, line: bytes, level: int) -> None:
        """Hand it on."""
        for output in self.outputs:
            if level >= output.level:
                output.put(line, level)

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until every handler has passed on what it took; whether all have."""
        return False not in [output.flush(timeout) for output in self.outputs]  # each is asked

    def close(self) -> None:
        """Close them all."""
        if self.installed:
            self.flush()
            return
        for output in self.outputs:
            output.close()
        super().close()

    def stats(self) -> dict[str, Any]:
        """The counts of each, by the name of its class, or of its sink's."""
        return {type(getattr(output, "sink", output)).__name__: output.stats() for output in self.outputs}


class _Threads(set[int | None]):
    """Those of all outputs: what one of them says of its work feeds none of the others either."""

    def __init__(self, outputs: Sequence[LineHandler]) -> None:
        super().__init__()
        self._outputs = outputs

    def __contains__(self, thread: object) -> bool:
        return any(thread in output.own_threads for output in self._outputs)
