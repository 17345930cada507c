"""Ports for a broker of ours.

Receives nothing, hands port numbers to the ways that start a broker.
"""

import random
import socket

# Below what Linux and macOS hand out to outgoing connections (from 32768 and 49152 on), so that
# nobody's connection sits on our port while the broker restarts.
_RANGE = range(20_000, 32_000)
_LOOPBACK = "127.0.0.1"


def choose_free_ports(count: int) -> list[int]:
    """Return `count` different ports that nobody listens on at the moment."""
    chosen: list[int] = []
    # In random order, so that two runs side by side don't reach for the same ones.
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(chosen) == count:
            break
        if _is_free(port):
            chosen.append(port)
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True
