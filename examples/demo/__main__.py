"""`python -m examples.demo`: exit code 0 if nothing was lost or duplicated and each stage did its work."""

import json
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path
from types import FrameType

from examples.demo.narrator import Narrator
from examples.demo.place import Place
from examples.demo.programs import StartError
from examples.demo.story import Story
from examples.sinks import LOOPBACK, MailSink, SlackSink
from logging_core.buffers.spool import spill_root, spool_root


def main() -> int:
    """Run the demo; the exit code. The last line is one JSON object."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-"))).resolve()
        place = Place.choose(folder)
        for root in (spool_root(place.redis_url), spill_root(place.redis_url)):
            running.callback(shutil.rmtree, root, ignore_errors=True)
        slack, mail = running.enter_context(SlackSink()), running.enter_context(MailSink())
        silent = running.enter_context(socket.create_server((LOOPBACK, 0)))  # takes connections and never answers
        narrator = Narrator(slack)
        story = Story(place, slack, mail, narrator, f"{LOOPBACK}:{silent.getsockname()[1]}")
        try:
            story.run()
        except StartError as error:
            narrator.fail("start", str(error))
        except (OSError, HTTPException) as error:
            narrator.fail("demo", f"something stopped answering: {error!r}")
        except KeyboardInterrupt:
            narrator.fail("demo", "interrupted")
        if left := place.left_over():
            narrator.fail("stop", f"still running: {left}")
    for failure in narrator.failures:
        print(f"failed: {failure}")
    print(json.dumps(asdict(story.figures)), flush=True)
    return 1 if narrator.failures else 0


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop everything, once: whoever insists still has to wait until nothing is left running."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("stopping everything", flush=True)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
