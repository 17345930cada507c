"""The broker in memory behind a socket, for whatever speaks AMQP 0-9-1.

In reading order: `frame` (bytes into frames, and what ends a connection), `handshake` (who comes
in), `session` (one connection), `channel` (one channel: messages in and out), `declaration` (its
exchanges and queues), `server` (the broker, listening).
"""

from toolkit.embedded.server import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
