"""An honest broker in one process: the port, kept without a network.

In reading order: `clock` (time that is passed in), `refusal` (what it answers when it refuses),
`argument` (what a queue's arguments mean), `message` (a message, and what a wire does to it),
`routing` (exchanges); of a queue `ready` (its order), `consumer` and `line` (whose turn it is),
`delivery_count`, `limit`, `deadline`, then `queue` itself; `death` (what dead-lettering writes) and
`dead_letter` (the two ways to the exchange); `observation` and `fault` (what a test sees and
orders); `virtual_host` and `broker` (all of it together), `channel` (with delivery tags). The port:
`declare`, `connection`, `publish`, `consume`, `adapter`; `named` finds a broker by its address.
"""

from toolkit.transport.memory.adapter import MemoryTransport
from toolkit.transport.memory.broker import Fate, MemoryBroker
from toolkit.transport.memory.clock import VirtualClock
from toolkit.transport.memory.named import broker_named

__all__ = ["Fate", "MemoryBroker", "MemoryTransport", "VirtualClock", "broker_named"]
