"""RabbitMQ over aio-pika: the only place that imports aio_pika or aiormq.

In reading order: `tls` (whom to trust), `options` (what it is told), `translate` (their words and
ours), `handshake` (why no TLS came about), `connection` (one connection, kept alive), `channel`
(calls that end), `declare` (the topology), `publish` (messages out) on an `outlet` with its
`deadline`s, `settle` (marks on what came in), `consume` (messages in), `wire` and `guard` (what a
stranger sent, byte for byte), `adapter` (the port, put together), `inspector` (a look that leaves
no trace), `tap` (what exchanges carry, seen from a queue of its own), `holding` (messages held for
a look, and given back in their order), `alteration` (one change of the topology at a time), `mover`
(messages from one queue to another). The lanes past the library: `stream` (whose frame is it),
`frames` (their layout), `deliver` (the way in), `confirm` (the way out).
"""

from toolkit.transport.rabbitmq.adapter import RabbitTransport
from toolkit.transport.rabbitmq.options import RabbitOptions, redacted

__all__ = ["RabbitOptions", "RabbitTransport", "redacted"]
