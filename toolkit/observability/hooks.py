"""Who hears of what.

Receives events from the engine, hands them to the functions that asked for their type. What
nobody asked for costs one look at start-up, not one for each message: see `wants`.
"""

from collections.abc import Callable
from typing import Any

import structlog

from toolkit.observability.events import Observation

Hook = Callable[[Any], None]

log = structlog.get_logger("toolkit.hooks")


class Hooks:
    """The hooks of one service."""

    def __init__(self) -> None:
        self._hooks: list[tuple[type[Any] | tuple[type[Any], ...], Hook]] = []

    def add(self, hook: Hook, *kinds: type[Any]) -> None:
        """Calls `hook`, a quick function that doesn't block, with every event of these types."""
        self._hooks.append((kinds, hook))

    def remove(self, hook: Hook) -> None:
        """Calls it no longer. Harmless if it was never added."""
        self._hooks = [(kinds, other) for kinds, other in self._hooks if other != hook]

    def wants(self, kind: type[Any]) -> bool:
        """Whether anybody asked for this type; ask once, at start-up."""
        return any(issubclass(kind, kinds) for kinds, _ in self._hooks)

    def emit(self, event: Observation) -> None:
        """Tells every hook that asked; one that raises is logged and hurts nobody else."""
        for kinds, hook in self._hooks:
            if isinstance(event, kinds):
                try:
                    hook(event)
                except Exception:
                    log.exception("a hook failed", hook=repr(hook), event_type=type(event).__name__)
