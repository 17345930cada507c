"""What the engine asks of a broker, with the guarantees that an adapter must keep.

Receives publications from sending and settlement, hands deliveries to the pumps.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Topology
from toolkit.transport.clock import Clock
from toolkit.transport.condition import ConnectionCondition, ConsumerCondition

MOST_WAITING = 10_000
"""Publishes of one service that wait while its connection is down or blocked; a further one is
refused, so that an outage doesn't fill the memory.
"""


TOO_MANY_WAIT = (
    f"the connection is down, and {MOST_WAITING:,} publishes wait for it; it was not sent"
)


class Delivery(Protocol):
    """One message on its way in, to be settled exactly once.

    Settling is a synchronous mark; the transport tells the broker soon after, in any order.
    A second mark raises `RuntimeError`. A mark on a delivery that is no longer live is
    forgotten: the broker delivers the message again.
    """

    @property
    def envelope(self) -> Envelope:
        """Properties, headers and body, as they came."""
        ...

    @property
    def exchange(self) -> str:
        """The exchange that the message was published to."""
        ...

    @property
    def routing_key(self) -> str:
        """The routing key that the message was published with."""
        ...

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has handed this message out before."""
        ...

    @property
    def earlier_deliveries(self) -> int:
        """How often it has, where the queue counts that; 0 otherwise."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether a mark can still reach the broker: the channel it came on is open."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether it has been marked."""
        ...

    def ack(self) -> None:
        """Done with it."""
        ...

    def reject(self) -> None:
        """Failed: back into the queue, and counted as a failure."""
        ...

    def give_back(self) -> None:
        """Not begun: back into the queue, as a voluntary return."""
        ...


class Subscriber(Protocol):
    """A consumer that is kept registered with the broker until it is stopped."""

    @property
    def condition(self) -> ConsumerCondition:
        """Whether the broker knows it now, since when, and why not.

        Answered from what has been seen, without a question to the broker: a loss that nothing
        announces shows once the heartbeat has noticed it. After `stop` it is unregistered.
        """
        ...

    async def suspend(self) -> None:
        """Ends deliveries until `resume`; when this returns no further one comes. What is out can
        be settled. Idempotent.
        """
        ...

    async def resume(self, *, prefetch: int) -> None:
        """Begins again, with this prefetch; returns at once, and is kept registered from now on."""
        ...

    async def stop(self) -> None:
        """Ends deliveries; when this returns no further one comes. What is out can be settled."""
        ...


class Transport(Protocol):
    """A broker, as the engine sees it."""

    @property
    def description(self) -> str:
        """The broker and its version, for people; no credentials."""
        ...

    @property
    def connections(self) -> tuple[ConnectionCondition, ...]:
        """How its connections stand, each with its purpose; no credentials. Answered as a
        subscriber's condition is, also before `open` has returned.
        """
        ...

    @property
    def clock(self) -> Clock:
        """The time by which this broker's delays pass, and so the engine's too."""
        ...

    async def open(self, topology: Topology) -> None:
        """Connects, and makes sure of the topology.

        Raises `BrokerUnreachableError` when no broker answered within the deadline,
        `AccessRefusedError` for credentials, virtual host or permissions, `TlsError` where the
        broker can't be trusted, `TopologyError` for what exists otherwise. Once this has returned,
        a lost connection is mended by itself.
        """
        ...

    async def publish(self, publication: Publication, *, timeout: timedelta) -> None:
        """Returns once the broker has confirmed, for a persistent and mandatory publish.

        Publications of one task keep their order. While the connection is down or blocked this
        waits, unless `MOST_WAITING` others do: then it is refused at once, unsent. An unknown fate
        is resolved by publishing again under the same id. Raises a `PublishError`:
        `UnroutableError`, `RefusedError`, `MessageTooLargeError`, or after `timeout`
        `PublishTimeoutError`. Cancelling gives up waiting; the message may arrive.
        """
        ...

    async def subscribe(
        self, queue: str, *, prefetch: int, deliver: Callable[[Delivery], None]
    ) -> Subscriber:
        """Starts handing a queue's messages to `deliver`, which must not raise.

        No more than `prefetch` are unsettled at a time. Messages come in the queue's order, save
        what is delivered again. Raises the errors of `open` if the first attempt is refused.
        """
        ...

    async def count(self, queue: str) -> int:
        """How many messages lie ready in a queue, after every mark made on what was taken."""
        ...

    async def take(self, queue: str) -> Delivery | None:
        """The next message of a queue, or None if none is ready. It counts as delivered."""
        ...

    async def close(self, *, within: timedelta = ...) -> None:
        """Tells the broker of every mark, then disconnects. Idempotent. A broker that doesn't
        answer is not waited for any longer than `within`.
        """
        ...
