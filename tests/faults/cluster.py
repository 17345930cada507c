"""Three nodes on this machine that are one cluster.

Receives an installed RabbitMQ, hands a `Broker` for each node. They share an epmd, a cookie and a
password; each has a directory, a name and ports of its own.
"""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from toolkit.testing.broker import Broker
from toolkit.testing.broker.installation import Installation
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.node import PrivateNode

_NODES = 3
_COOKIE = ".erlang.cookie"

# What a delay has passed on to a queue whose leader dies then is passed on again after this time,
# in milliseconds; RabbitMQ's default is three minutes, which nobody wants to sit through here.
_AGAIN_AFTER = 5_000
_ADVANCED = f"[{{rabbit, [{{dead_letter_worker_publisher_confirm_timeout, {_AGAIN_AFTER}}}]}}].\n"


class ClusterNode(PrivateNode):
    """A private node that joins the first one."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        keeper: Keeper,
        first: PrivateNode | None = None,
    ) -> None:
        super().__init__(installation, directory, keeper)
        self._first = first
        if first is not None:
            self._epmd = first._epmd
            self._password = first._password
            self.url = f"amqp://toolkit:{self._password}@127.0.0.1:{self.port}/"

    @property
    def name(self) -> str:
        """What the other nodes call it."""
        return self._environment()["RABBITMQ_NODENAME"]

    def join(self, first: "ClusterNode") -> None:
        """Become a member of the first one's cluster."""
        self.ctl("stop_app")
        self.ctl("join_cluster", first.name)
        self.ctl("start_app")

    def _start_epmd(self) -> None:
        if self._first is None:
            super()._start_epmd()

    def _write_files(self) -> None:
        super()._write_files()
        (self._directory / "advanced.config").write_text(_ADVANCED)
        if self._first is not None:
            (self._directory / _COOKIE).unlink()
            shutil.copy2(self._first._directory / _COOKIE, self._directory / _COOKIE)


@contextmanager
def private_cluster(installation: Installation) -> Iterator[list[Broker]]:
    """Run the nodes for as long as the context lasts."""
    with ExitStack() as stack:
        keeper = Keeper()
        nodes: list[ClusterNode] = []
        stack.callback(lambda: list(map(ClusterNode.reap, nodes)))
        stack.enter_context(keeper)
        for _ in range(_NODES):
            directory = Path(tempfile.mkdtemp(prefix="toolkit-cluster-"))
            keeper.hold("directory", str(directory))
            first = nodes[0] if nodes else None
            nodes.append(ClusterNode(installation, directory, keeper, first))
        greeting = nodes[0].boot()
        with ThreadPoolExecutor() as threads:
            list(threads.map(ClusterNode.boot, nodes[1:]))
        for node in nodes[1:]:
            node.join(nodes[0])
        yield [
            Broker(
                url=node.url,
                management_url=node.management_url,
                description=f"{greeting}, node {number} of a cluster",
                control=node,
            )
            for number, node in enumerate(nodes, start=1)
        ]
