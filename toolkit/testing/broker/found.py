"""What was found: a broker, and what may be done to it.

Receives a URL and, where the broker is ours, a `Control` from the way that started it; hands URLs
to whoever connects.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from toolkit.errors import ToolkitError
from toolkit.testing.broker.management import Management


class WayClosedError(ToolkitError):
    """This way leads to no broker; the next one may. The sentence says why."""


class BrokerNotFoundError(ToolkitError):
    """No way led to a broker."""

    def __init__(self, tried: list[str]) -> None:
        self.tried = tuple(tried)
        lines = "".join(f"\n  - {attempt}" for attempt in tried)
        super().__init__(
            f"No RabbitMQ found and none could be started. Tried:{lines}\n"
            "Mend any one of these: the first that works is taken."
        )


class BrokerFailedError(ToolkitError):
    """A broker of ours, or a command given to it, failed. The sentence has its last words."""


class BrokerNotOursError(ToolkitError):
    """Somebody else's broker was to be stopped, started or commanded."""

    def __init__(self, description: str) -> None:
        self.description = description
        super().__init__(
            f"{description} isn't ours to stop, start or command. Unset the variable that names "
            "it, and a private broker is started instead."
        )


class Control(Protocol):
    """A broker's life, in the hands of whoever started it.

    `stop` and `kill` return once the broker has ended, `start` once it takes connections; all leave
    ports, users and durable data as they were. Calling one twice does no harm.
    """

    def stop(self) -> None:
        """End the broker in an orderly way."""

    def kill(self) -> None:
        """End it as a power cut would."""

    def start(self) -> None:
        """Bring it back."""

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` with these arguments and return what it printed."""


@dataclass(frozen=True, kw_only=True)
class Broker:
    """A RabbitMQ that answers.

    `url` has the password in it, so the object's representation leaves it out. `tls_url` is the
    same broker over TLS, where it was started with a `TlsListener`.
    """

    url: str = field(repr=False)
    management_url: str
    description: str
    tls_url: str | None = field(default=None, repr=False)
    control: Control | None = field(default=None, repr=False)

    @property
    def is_ours(self) -> bool:
        """Whether it was started for this run, and may be stopped."""
        return self.control is not None

    def stop(self) -> None:
        """End it in an orderly way, keeping port and durable data for `start`.

        RabbitMQ 3.10 takes 6 seconds for it, 5 of them in its management plugin.
        """
        self._owned().stop()

    def kill(self) -> None:
        """End it at once, as a power cut would; what it has confirmed is there after `start`."""
        self._owned().kill()

    def start(self) -> None:
        """Bring it back; returns once it takes connections."""
        self._owned().start()

    def restart(self) -> None:
        """Stop, then start: connections drop, port and durable data stay."""
        control = self._owned()
        control.stop()
        control.start()

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` with these arguments and return what it printed."""
        return self._owned().ctl(*arguments)

    @contextmanager
    def virtual_host(self, name: str) -> Iterator[str]:
        """Make a virtual host, give the AMQP URL that leads into it, and delete it at the end."""
        management = Management(self.management_url, credentials_of=self.url)
        management.create_virtual_host(name)
        try:
            yield url_of_virtual_host(self.url, name)
        finally:
            management.delete_virtual_host(name)

    def _owned(self) -> Control:
        if self.control is None:
            raise BrokerNotOursError(self.description)
        return self.control


def url_of_virtual_host(url: str, name: str) -> str:
    """Return `url`, leading into the virtual host `name`."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))
