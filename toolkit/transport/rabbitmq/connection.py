"""One connection to the broker, kept alive: the state machine that owns recovery.

Receives addresses, hands a live aio-pika connection to declaring, publishing and consuming.

    disconnected ─> connecting ─> connected <─> blocked
         ^              │             │            │
         └──────────────┴─────────────┴────────────┘          any ─> closing
"""

import asyncio
import os
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

import structlog
from yarl import URL

from toolkit.errors import (
    AccessRefusedError,
    BrokerUnreachableError,
    TlsError,
    TransportError,
)
from toolkit.topology.declarations import Version
from toolkit.transport.clock import WALL
from toolkit.transport.condition import ConnectionCondition, ConnectionState
from toolkit.transport.rabbitmq.guard import (
    ConsumingConnection,
    GuardedConnection,
    PublishingConnection,
)
from toolkit.transport.rabbitmq.handshake import tls_error
from toolkit.transport.rabbitmq.options import RabbitOptions, redacted
from toolkit.transport.rabbitmq.translate import (
    LOST,
    connection_error,
    version_from,
    was_cancelled,
)

log = structlog.get_logger("toolkit.transport")

OneConnection = GuardedConnection
Purpose = Literal["publish", "consume"]

_CLASSES: dict[Purpose, type[GuardedConnection]] = {
    "publish": PublishingConnection,
    "consume": ConsumingConnection,
}

_HANDSHAKE_TIMEOUT = 10.0  # seconds for one node to take us in
_ABORT_TIMEOUT = 0.3
_FIRST_PAUSE = 0.2  # seconds, doubled with each failure
_LONGEST_PAUSE = 30.0
_KNOCK_WITHIN = 1.0  # seconds until one that has not answered is asked again
_SILENT_HEARTBEATS = 2  # after which a connection is given up; aiormq waits for more than three
_GLANCE_EVERY = 0.5


class Link:
    """A connection that comes back. `purpose` is part of its name."""

    def __init__(
        self,
        options: RabbitOptions,
        purpose: Purpose,
        on_return: Callable[[OneConnection], Awaitable[None]] | None = None,
    ) -> None:
        self._options = options
        self._purpose = purpose
        self._on_return = on_return
        self._connection_class = _CLASSES[purpose]
        self._urls = [self._with_heartbeat(URL(url)) for url in options.urls]
        random.shuffle(self._urls)
        self._connection: OneConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._usable = asyncio.Event()
        self._has_answered = False
        self.condition = ConnectionCondition(purpose=purpose, since=WALL.now())
        self.version: Version = (3, 10)
        self.product = "RabbitMQ"
        self.address = ", ".join(map(redacted, options.urls))
        self.last_problem: TransportError | None = None

    def _with_heartbeat(self, url: URL) -> URL:
        if "heartbeat" in url.query:
            return url
        return url.update_query(heartbeat=round(self._options.heartbeat.total_seconds()))

    @property
    def name(self) -> str:
        """What the broker's overview shows: service, host, process and purpose."""
        return f"{self._options.service} {socket.gethostname()}:{os.getpid()} {self._purpose}"

    async def open(self) -> OneConnection:
        """The first connection, however long that takes; from then on it is kept.

        Raises `AccessRefusedError` and `TlsError` at once. `last_problem` says why it takes so
        long.
        """
        connection = await self._first()
        self._keeper = asyncio.create_task(self._keep(connection), name=f"keep {self._purpose}")
        self._take(connection)
        return connection

    async def open_once(self) -> OneConnection:
        """One try at each node, for a look: once lost, it stays so. Raises why there is none."""
        connection = await self._connect()
        self._take(connection)
        return connection

    async def _first(self) -> OneConnection:
        failures = 0
        while True:
            try:
                return await self._connect()
            except BrokerUnreachableError as error:
                if self.last_problem is None:
                    log.warning("waiting for the broker", error=str(error))
                self.last_problem = error
                self._become(ConnectionState.CONNECTING, str(error))
            failures += self._has_answered
            await asyncio.sleep(self._pause(failures))

    async def ready(self) -> OneConnection:
        """A connection that is up and not blocked, however long that takes."""
        while True:
            if self._usable.is_set() and self._connection is not None:
                return self._connection
            await self._usable.wait()

    @property
    def is_usable(self) -> bool:
        """Whether it is up and not blocked, as far as is known."""
        return self._usable.is_set()

    async def close(self, within: float) -> None:
        """Disconnects for good, politely for `within` seconds at most."""
        self._become(ConnectionState.CLOSING)
        self._usable.clear()
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection, within)

    def cut(self) -> None:
        """Loses the connection that is up, as the network would."""
        if self._connection is not None:
            self._connection.abort()

    async def _connect(self) -> OneConnection:
        """Each node in turn, once. Raises what they gave, `TlsError` only if all of them did: any
        other may mend itself.
        """
        self._become(ConnectionState.CONNECTING)
        self._has_answered = False
        problems: list[TransportError] = []
        for url in list(self._urls):
            try:
                return await self._connect_to(url)
            except AccessRefusedError:
                raise
            except TransportError as error:
                problems.append(error)
        if problems and all(isinstance(problem, TlsError) for problem in problems):
            raise problems[-1]
        raise BrokerUnreachableError("; ".join(map(str, problems)) or "no address to connect to")

    async def _connect_to(self, url: URL) -> OneConnection:
        connection = self._connection_class(
            url,
            ssl_context=await self._tls_context() if url.scheme == "amqps" else None,
            client_properties={"connection_name": self.name},
        )
        connection.is_fast = self._options.lane == "fast"
        try:
            async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
                await connection.connect()
        except asyncio.CancelledError as error:  # which nobody may have asked for
            await self._give_up(connection)
            raise connection_error(error, url, connection.farewell) from error
        except (TimeoutError, *LOST) as error:
            await self._give_up(connection)
            if not connection.has_answered and (
                problem := await tls_error(error, url, self._options.tls)
            ):
                raise problem from error
            raise connection_error(error, url, connection.farewell) from error
        self._introduce(connection, url)
        return connection

    async def _tls_context(self) -> ssl.SSLContext:
        try:
            return await asyncio.to_thread(self._options.tls.context)  # it reads files
        except ValueError as error:
            raise TlsError(f"the files for TLS can't be used: {error}") from error

    async def _give_up(self, connection: OneConnection) -> None:
        """Drops one that never came to be; left alone, it would close itself when collected."""
        self._has_answered |= connection.has_answered
        connection.abort()
        await connection.close()
        if was_cancelled():  # meanwhile: the library's own closing keeps that to itself
            raise asyncio.CancelledError

    def _introduce(self, connection: OneConnection, url: URL) -> None:
        assert connection.transport is not None
        properties: dict[str, Any] = dict(connection.transport.connection.server_properties or {})
        self.version = version_from(properties)
        self.product = f"{properties.get('product', 'AMQP broker')} {properties.get('version', '')}"
        self.address = redacted(url)

    async def _keep(self, connection: OneConnection) -> None:
        while True:
            await self._watch(connection)
            reason = connection.farewell or "no goodbye"
            self._drop(f"connection to {self.address} lost: {reason}")
            log.warning(
                "connection lost", connection=self._purpose, broker=self.address, reason=reason
            )
            connection = await self._reconnect()
            if self._on_return is not None:
                await self._on_return(connection)
            self._take(connection)
            log.info("connection restored", connection=self._purpose, broker=self.address)

    async def _reconnect(self) -> OneConnection:
        tries, failures = 0, 0
        await asyncio.sleep(_backoff(failures))
        while True:
            try:
                return await self._connect()
            except TransportError as error:
                tries += 1
                failures += self._has_answered
                self._become(ConnectionState.CONNECTING, str(error))
                if tries.bit_count() == 1:  # the first, second, fourth, eighth...
                    log.warning(
                        "still disconnected",
                        connection=self._purpose,
                        failures=tries,
                        error=str(error),
                    )
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        """Backoff is for a broker that is there and can't cope. One that isn't can't be overrun,
        and everybody waits for it: it is asked every second.
        """
        return _backoff(failures) if self._has_answered else random.uniform(0, _KNOCK_WITHIN)

    def _become(self, state: ConnectionState, reason: str | None = None) -> None:
        self.condition = self.condition.become(state, at=WALL.now(), reason=reason)

    def _take(self, connection: OneConnection) -> None:
        self._connection = connection
        self._become(ConnectionState.CONNECTED)
        self._usable.set()
        connection.stream.on_blocked = self._follow_alarm
        if connection.stream.is_blocked:  # since before it was ours
            self._follow_alarm()

    def _drop(self, reason: str) -> None:
        self._connection = None
        self._become(ConnectionState.DISCONNECTED, reason)
        self._usable.clear()

    async def _watch(self, connection: OneConnection) -> None:
        """Returns once the connection is gone."""
        listening = asyncio.create_task(_cut_when_silent(connection))
        try:
            await _gone(connection)
        finally:
            listening.cancel()

    def _follow_alarm(self) -> None:
        """What the connection in use says of the broker's alarms."""
        if self._connection is None:
            return
        if self._connection.stream.is_blocked:
            problem = "the broker blocks publishers: an alarm for memory or disk"
            self._become(ConnectionState.BLOCKED, problem)
            self._usable.clear()
            log.warning(problem, broker=self.address)
        else:
            self._become(ConnectionState.CONNECTED)
            self._usable.set()
            log.info("the broker takes messages again", broker=self.address)


async def _cut_when_silent(connection: OneConnection) -> None:
    """The broker sends something once a heartbeat at least; a link that carries nothing for two
    is dead, whatever the socket says. Counted in glances, so that a loop that stands still for a
    while, and reads nothing meanwhile, doesn't take that for silence.
    """
    heartbeat = connection.heartbeat
    if not heartbeat:
        return  # switched off
    glance = min(_GLANCE_EVERY, heartbeat / 8)
    limit = _SILENT_HEARTBEATS * heartbeat - 2 * glance
    silence, seen = 0.0, connection.chunks
    while silence < limit:
        await asyncio.sleep(glance)
        silence = silence + glance if connection.chunks == seen else 0.0
        seen = connection.chunks
    log.warning("the broker is silent; the connection is given up", heartbeat=heartbeat)
    connection.abort()


async def _gone(connection: OneConnection) -> None:
    gone = asyncio.Event()
    connection.close_callbacks.add(lambda *_: gone.set())
    transport = connection.transport
    if transport is not None and not transport.connection.is_closed:
        await gone.wait()


async def _close(connection: OneConnection, within: float) -> None:
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait({closing}, timeout=within)
    if not closing.done():
        connection.abort()  # what waits for an answer sees that none will come
        await asyncio.wait({closing}, timeout=_ABORT_TIMEOUT)
    if closing.done() and not closing.cancelled():
        closing.exception()


def _backoff(failures: int) -> float:
    """Full jitter: anything up to an exponentially growing cap.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10)))
