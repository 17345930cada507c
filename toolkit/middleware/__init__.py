"""Two function types and one function: all there is to middleware."""

from toolkit.middleware.onion import Middleware, Step, compose

__all__ = ["Middleware", "Step", "compose"]
