"""One search for several processes: the one that has it answers the others.

Receives requests over a socket of this machine, hands back brokers that the asker may use but not
stop. Requests are answered one after the other, so a broker is never started twice.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from threading import Thread
from typing import Any

from toolkit.testing.broker.found import Broker, BrokerNotFoundError
from toolkit.testing.broker.search import Finds

Address = tuple[int, str]
"""A port of this machine, and the key that opens it, in hexadecimal."""

_ASKERS = 256  # that may wait in line at once


class Desk:
    """The side that answers, in a thread of its own, until it is closed."""

    def __init__(self, search: Finds) -> None:
        self._search = search
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), backlog=_ASKERS, authkey=self._key)
        self._thread = Thread(target=self._serve, name="broker desk", daemon=True)
        self._thread.start()

    @property
    def address(self) -> Address:
        """What a `RemoteSearch` needs to know."""
        _, port = self._listener.address
        return port, self._key.hex()

    def close(self) -> None:
        """Return once nobody is being answered any more."""
        with _connected(self.address) as connection:
            connection.send(None)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                with self._listener.accept() as connection:
                    names = connection.recv()
                    if names is None:
                        return
                    connection.send(self._answer(names))
            except (OSError, EOFError, AuthenticationError):
                continue  # a stranger, or somebody who has gone meanwhile

    def _answer(self, names: Sequence[str]) -> Broker | list[str]:
        try:
            return replace(self._search.find(names), control=None)
        except BrokerNotFoundError as missing:
            return list(missing.tried)
        except Exception as error:  # noqa: BLE001 - whoever asks waits for an answer
            return [f"{type(error).__name__}: {error}"]


class RemoteSearch:
    """The side that asks."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def find(self, names: Sequence[str]) -> Broker:
        """See `Finds`. Waits while a broker is started."""
        with _connected(self._address) as connection:
            connection.send(list(names))
            answer: Broker | list[str] = connection.recv()
        if isinstance(answer, Broker):
            return answer
        raise BrokerNotFoundError(answer)


def _connected(address: Address) -> "Connection[Any, Any]":
    port, key = address
    return Client(("127.0.0.1", port), authkey=bytes.fromhex(key))
