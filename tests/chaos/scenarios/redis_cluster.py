"""A cluster of three masters keeps the data; the one that holds the stream is killed, and comes back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from alerts.store import LOG
from examples.sinks import SlackSink
from logging_core.streams.stream import Keys
from tests.chaos.arena import Arena
from tests.chaos.chaos_stack import ChaosStack, running_stack
from tests.chaos.scenario import Scenario
from tests.servers import Cluster, Server
from tests.waiting import wait_until


@contextmanager
def on_a_cluster(folder: Path) -> Iterator[ChaosStack]:
    """A stack whose data are on a cluster, and its broker on a Redis by itself."""
    with ExitStack() as exits:
        cluster = exits.enter_context(Cluster(folder / "redis"))
        broker = exits.enter_context(Server(folder / "broker"))
        slack = exits.enter_context(SlackSink())
        yield exits.enter_context(
            running_stack(folder, cluster, TOCSIN__REDIS__BROKER_URL=broker.url, SLACK_WEBHOOK_URL=slack.url)
        )


def killed(arena: Arena) -> None:
    cluster = arena.stack.servers
    assert isinstance(cluster, Cluster)
    arena.application(rate=1000)
    arena.application(rate=300)
    arena.writes_on(1000)
    holder = cluster.holder(Keys().stream)
    holder.kill()
    arena.rest(10, 3)
    arena.fault_over()
    holder.start()
    arena.back()
    arena.writes_on(1000)
    wait_until(lambda: _delivered(arena.stack), what="Slack to be told of the errors")
    status = arena.stack.status()
    if status["lost"] or status["written"] < 2000 or not status["evaluation"]["alerts_firing"]:
        arena.problem(f"tocsin status --json: {status}")


def _delivered(stack: ChaosStack) -> bool:
    entries = stack.ask(lambda client: client.xrange(LOG)) or ()  # the cluster may still be down
    return any(fields[b"outcome"] == b"delivered" for _, fields in entries)


SCENARIOS = (
    Scenario(
        "a node of a cluster killed", killed, fresh=True, opening=on_a_cluster, slowest_ms=50, beside=True, back_s=10
    ),
)
