"""One virtual host through the management API: what an administrator sees and does.

Receives a broker from the fixtures, hands tests users with few rights, things in the way, and a
look at everything there is.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx

from tests.hostile.wire import Wire
from toolkit.testing.broker import Broker

PASSWORD = "s3cr3t"
EVERYTHING = ".*"


def all_but(*names: str) -> str:
    """A permission for everything save these names."""
    forbidden = "|".join(name.replace(".", r"\.") for name in names)
    return rf"^(?!({forbidden})$).*$"


class VirtualHost:
    """An administrator's view of it."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url
        self.name = unquote(urlsplit(url).path[1:])
        self._path = quote(self.name, safe="")
        self._users: list[str] = []

    @classmethod
    @contextmanager
    def of(cls, broker: Broker, url: str) -> Iterator[Self]:
        """The virtual host that this URL leads to; users made here go at the end."""
        account = urlsplit(broker.url)
        credentials = (unquote(account.username or "guest"), unquote(account.password or "guest"))
        with httpx.Client(base_url=broker.management_url, auth=credentials) as client:
            virtual_host = cls(client, url)
            yield virtual_host
            for user in virtual_host._users:
                virtual_host._ask("DELETE", f"/api/users/{user}")

    def url_for(
        self, *, configure: str = EVERYTHING, write: str = EVERYTHING, read: str = EVERYTHING
    ) -> str:
        """The URL of a new user with these permissions here."""
        url = self.url_for_stranger()
        rights = {"configure": configure, "write": write, "read": read}
        self._ask("PUT", f"/api/permissions/{self._path}/{self._users[-1]}", rights)
        return url

    def url_for_stranger(self) -> str:
        """The URL of a new user who may not enter."""
        user = f"user-{secrets.token_hex(4)}"
        self._ask("PUT", f"/api/users/{user}", {"password": PASSWORD, "tags": ""})
        self._users.append(user)
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(netloc=f"{user}:{PASSWORD}@{parts.hostname}:{parts.port}"))

    def let_manage(self, url: str) -> None:
        """Let the user of this URL ask the management API."""
        user = urlsplit(url).username
        self._ask("PUT", f"/api/users/{user}", {"password": PASSWORD, "tags": "management"})

    def add_policy(self, name: str, pattern: str, definition: dict[str, Any]) -> None:
        """Set a policy for queues."""
        what = {"pattern": pattern, "definition": definition, "apply-to": "queues"}
        self._ask("PUT", f"/api/policies/{self._path}/{name}", what)

    def import_definitions(self, definitions: dict[str, Any]) -> None:
        """Make all that is in a document."""
        self._ask("POST", "/api/definitions", definitions)

    def add_queue(self, name: str, *, durable: bool = True, **arguments: object) -> None:
        """Make a queue; `x_queue_type` stands for `x-queue-type`."""
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        what = {"durable": durable, "arguments": named}
        self._ask("PUT", f"/api/queues/{self._path}/{quote(name, safe='')}", what)

    def add_exchange(self, name: str, kind: str, *, durable: bool = True) -> None:
        """Make an exchange."""
        self._ask("PUT", f"/api/exchanges/{self._path}/{name}", {"type": kind, "durable": durable})

    def bind(self, queue: str, routing_key: str) -> None:
        """Send events of this name to a queue."""
        path = f"/api/bindings/{self._path}/e/events/q/{quote(queue, safe='')}"
        self._ask("POST", path, {"routing_key": routing_key})

    def delete_queue(self, name: str) -> None:
        """Remove a queue with what is in it."""
        self._ask("DELETE", f"/api/queues/{self._path}/{name}")

    def delete_exchange(self, name: str) -> None:
        """Remove an exchange."""
        self._ask("DELETE", f"/api/exchanges/{self._path}/{name}")

    def put(self, queue: str, body: str, **headers: object) -> None:
        """Put a message into a queue; `failed_queue` stands for `failed-queue`."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        properties = {"headers": named, "delivery_mode": 2, "message_id": secrets.token_hex(8)}
        what = {"routing_key": queue, "payload": body, "payload_encoding": "string"}
        path = f"/api/exchanges/{self._path}/amq.default/publish"
        assert self._ask("POST", path, {**what, "properties": properties})["routed"]

    def first(self, queue: str) -> dict[str, Any]:
        """The first message there, which goes back to where it was."""
        how = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        found: list[dict[str, Any]] = self._ask(
            "POST", f"{self._listing('queues')}/{queue}/get", how
        )
        return found[0]

    def messages(self, queue: str) -> int:
        """How many messages are ready there."""
        with Wire.connected(self._url) as wire:
            return wire.count(queue)

    def kill_connections(self, url: str) -> None:
        """Close every connection of this URL's user that the API knows of, from the broker's side;
        it takes a moment to hear of the first one.
        """
        path = f"/api/connections/username/{urlsplit(url).username}"
        until = time.monotonic() + _PATIENCE
        while not self._ask("GET", path) and time.monotonic() < until:
            time.sleep(_GLANCE)
        self._ask("DELETE", path)

    def channels(self) -> int:
        """How many are open here, as the broker's statistics have it."""
        return len(self._ask("GET", f"/api/vhosts/{self._path}/channels"))

    def everything(self) -> list[tuple[str, ...]]:
        """Every exchange, queue and binding, in a form that can be compared."""
        kinds = ("exchanges", "queues", "bindings")
        seen = [(kind, thing) for kind in kinds for thing in self._ask("GET", self._listing(kind))]
        return sorted((kind, *_essence(thing)) for kind, thing in seen)

    def _listing(self, kind: str) -> str:
        return f"/api/{kind}/{self._path}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


_PATIENCE, _GLANCE = 5.0, 0.05  # seconds
_ESSENTIAL = ("name", "source", "destination", "routing_key", "type", "durable", "arguments")


def _essence(thing: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(thing.get(field)) for field in _ESSENTIAL)
