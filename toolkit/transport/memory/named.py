"""The brokers that addresses name: `memory://`, `memory://shop`.

Receives an address, hands services that give the same one the same broker.
"""

import asyncio
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from toolkit.transport.memory.broker import MemoryBroker

SCHEME = "memory"

_brokers: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, MemoryBroker]]" = (
    WeakKeyDictionary()
)


def is_memory(url: str) -> bool:
    """Whether an address names a broker in memory."""
    return url.partition(":")[0].lower() == SCHEME


def broker_named(url: str) -> MemoryBroker:
    """The broker at an address, made when it is first asked for.

    It lives as long as the event loop that is running, to which it belongs: what lies in its
    queues outlasts the services, and is gone with the process.
    """
    loop = asyncio.get_running_loop()
    return _brokers.setdefault(loop, {}).setdefault(urlsplit(url).netloc, MemoryBroker())


def address_problem(url: str) -> str | None:
    """What is wrong with such an address, in a sentence; None if nothing."""
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        return "has more than a name in it; use memory:// or memory://name"
    return None
