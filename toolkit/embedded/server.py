"""The broker, listening.

Receives connections on a port, hands each a session; all of them share one broker in memory.
"""

import asyncio
from types import TracebackType
from typing import Self

from toolkit.embedded.frame import Code, Fault
from toolkit.embedded.handshake import PASSWORD
from toolkit.embedded.session import Session, Shared
from toolkit.errors import ConfigurationError
from toolkit.topology.declarations import Version
from toolkit.transport.memory.broker import USER, MemoryBroker

_GOODBYE_TIMEOUT = 2.0  # seconds until who doesn't answer is cut off

_SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


class EmbeddedBroker:
    """A broker in memory that speaks AMQP 0-9-1, as RabbitMQ of one version would.

    One virtual host, "/", and one user, `guest` with the password `guest`. What lies in its queues
    is gone with it. Of what RabbitMQ offers it has not: TLS, other users, permissions, streams,
    plugins and their exchange types, the management API, transactions, exclusive consumers and
    consumer priorities, direct reply-to, a prefetch for a whole channel (`global`, taken for one of
    each consumer), and alarms. A queue without a name gets one that begins with `gen-`. Headers
    arrive with the value that they were sent with, numbers perhaps in another of AMQP's types.
    """

    def __init__(
        self, *, port: int = 0, host: str = "127.0.0.1", version: Version = (4, 0)
    ) -> None:
        self.memory = MemoryBroker(version=version)
        """The broker itself, for whoever looks inside."""
        self._port = port
        self._host = host
        self._server: asyncio.Server | None = None
        self._shared = Shared(self.memory)

    @property
    def url(self) -> str:
        """The address for clients, with the port that it got."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"amqp://{USER}:{PASSWORD}@{host}:{self._port}/"

    async def __aenter__(self) -> Self:
        """Listens. Raises `ConfigurationError` where it can't."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Session(self._shared), self._host, self._port
            )
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"the broker in memory can't listen on {self._host}, port {self._port}",
                [f"{error}; choose another port, or 0 for any that is free"],
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tells every client that it goes, and goes."""
        assert self._server is not None
        self._shared.is_closing = True
        self._server.close()
        sessions = list(self._shared.sessions)
        for session in sessions:
            session.end(Fault(Code.CONNECTION_FORCED, _SHUTDOWN))
        gone = [asyncio.ensure_future(session.gone.wait()) for session in sessions]
        if gone:
            _, late = await asyncio.wait(gone, timeout=_GOODBYE_TIMEOUT)
            for session in sessions:
                session.abort()
            if late:
                await asyncio.wait(late)
        await self._server.wait_closed()
