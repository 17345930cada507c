"""Event-driven microservices over RabbitMQ: declared, retried, dead-lettered, never lost.

All that is public is in `face`, which is imported when it is first used: pytest imports its plugin
out of this package in every run, and everything behind the face takes 350 ms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.face import *  # noqa: F403


def __getattr__(name: str) -> Any:
    face = import_module("toolkit.face")
    if name != "__all__" and name not in face.__all__:
        raise AttributeError(f"module 'toolkit' has no attribute '{name}'")
    return getattr(face, name)
