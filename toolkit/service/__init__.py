"""A service, put together and run.

In reading order: `settings` (the environment), `check` (what can't work), `connect` (which
broker), `condition` (how a service stands), `reception` (its consumers at work), `service` (the
composition root), `presentation` (what a service says of itself at start-up), `runner` (signals,
ordered shutdown, exit codes), `supervisor` (several processes).
"""

from toolkit.service.service import Service
from toolkit.service.settings import Settings

__all__ = ["Service", "Settings"]
