"""What the engine tells the world about itself.

In reading order: `events` (frozen facts), `hooks` (who hears of them), `logging` (structlog's
set-up and the hook that writes them down). The engine knows `events` and `hooks` only.
"""
