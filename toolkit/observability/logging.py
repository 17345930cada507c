"""Logs: pretty on a terminal, JSON otherwise, and never a password.

Receives events through a hook and lines from everywhere else, hands text to standard error.
"""

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from toolkit.observability.events import (
    ConsumerResumed,
    ConsumerSuspended,
    DeadLettered,
    DiscardedByHandler,
    Failed,
    HandedBack,
    Handled,
    MessageEvent,
    NobodyListens,
    Quarantined,
    RetryScheduled,
    SettlementFailed,
)
from toolkit.observability.hooks import Hooks
from toolkit.policies.dead_letter import said, stack_of
from toolkit.policies.duration import format_duration

Format = Literal["auto", "pretty", "json"]
Level = Literal["debug", "info", "warning", "error"]

_SECRET_IN_URL = re.compile(
    r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]+(?=@)", re.IGNORECASE
)
_CHATTY = ("aio_pika", "aiormq")  # every fault of theirs is reported by us, with what to do

log = structlog.get_logger("toolkit")


def without_passwords(text: str) -> str:
    """The same text, with the password of any URL in it replaced."""
    return _SECRET_IN_URL.sub(r"\g<before>***", text)


def configure_logging(
    *, style: Format = "auto", level: Level = "info", stream: TextIO | None = None
) -> None:
    """Sets up structlog and the standard library's logging for a process.

    Called by `toolkit run` and by the samples; an embedding program may use its own set-up.
    `style="auto"` is pretty on a terminal and JSON otherwise; `stream` is standard error unless
    given. No line holds the password of an address.
    """
    stream = stream or sys.stderr
    is_pretty = style == "pretty" or (style == "auto" and stream.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=_takes_colours(stream))
        if is_pretty
        else structlog.processors.JSONRenderer(default=str)
    )
    rendering: list[Any] = [structlog.processors.format_exc_info, _Safely(renderer)]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _takes_colours(stream: TextIO) -> bool:
    """A terminal does; FORCE_COLOR and NO_COLOR say otherwise (https://no-color.org)."""
    is_forced = bool(os.environ.get("FORCE_COLOR"))
    return (stream.isatty() or is_forced) and not os.environ.get("NO_COLOR")


class _Safely:
    """A renderer whose line holds no password and can be written to any stream."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        line = without_passwords(str(self._renderer(logger, name, event)))
        return line.encode("utf-8", "backslashreplace").decode()


class LogHook:
    """Writes down what became of messages: failures always, successes at debug."""

    def __init__(self, hooks: Hooks, *, logs_success: bool) -> None:
        hooks.add(self._failed, Failed)
        hooks.add(self._retry, RetryScheduled)
        hooks.add(self._dead, DeadLettered)
        hooks.add(self._discarded, DiscardedByHandler)
        hooks.add(self._quarantined, Quarantined)
        hooks.add(self._unsettled, SettlementFailed)
        hooks.add(self._handed_back, HandedBack)
        hooks.add(self._nobody, NobodyListens)
        hooks.add(self._suspended, ConsumerSuspended)
        hooks.add(self._resumed, ConsumerResumed)
        if logs_success:
            hooks.add(self._handled, Handled)

    def _handled(self, event: Handled) -> None:
        log.debug("handled", outcome="ack", seconds=round(event.seconds, 6), **_who(event))

    def _failed(self, event: Failed) -> None:
        log.warning("handler failed", outcome="failed", error=_told(event.error), **_who(event))

    def _retry(self, event: RetryScheduled) -> None:
        delay = format_duration(event.delay)
        log.warning("will be tried again", outcome="retry", delay=delay, **_who(event))

    def _dead(self, event: DeadLettered) -> None:
        log.error(
            "dead-lettered",
            outcome="dead-letter",
            reason=event.reason,
            error=_told(event.error),
            dead_letter_queue=event.dead_letter_queue,
            **_stack(event),
            **_who(event),
        )

    def _discarded(self, event: DiscardedByHandler) -> None:
        log.warning("discarded", outcome="discard", reason=event.reason, **_who(event))

    def _quarantined(self, event: Quarantined) -> None:
        log.error(
            "will run alone: its process died under it",
            outcome="quarantine",
            earlier_deliveries=event.earlier_deliveries,
            **_who(event),
        )

    def _unsettled(self, event: SettlementFailed) -> None:
        log.error(
            "could not be settled, stays in its queue",
            outcome="requeue",
            error=_told(event.error),
            **_who(event),
        )

    def _handed_back(self, event: HandedBack) -> None:
        log.info("handed back by the shutdown", outcome="return", **_who(event))

    def _nobody(self, event: NobodyListens) -> None:
        log.warning(
            "an event that nobody subscribes to; told once",
            type=event.type,
            exchange=event.exchange,
        )

    def _suspended(self, event: ConsumerSuspended) -> None:
        log.error(
            "consumer suspended: its runs fail",
            consumer=event.consumer,
            queue=event.queue,
            failed=f"{event.failures} of {event.runs}",
            next_try_in=format_duration(event.pause),
        )

    def _resumed(self, event: ConsumerResumed) -> None:
        log.info(
            "consumer resumed: a probe succeeded",
            consumer=event.consumer,
            queue=event.queue,
            after=str(event.lasted),
        )


def _who(event: MessageEvent) -> dict[str, Any]:
    return {
        "consumer": event.consumer,
        "message_id": event.message_id,
        "correlation_id": event.correlation_id,
        "type": event.type,
        "attempt": event.attempt,
    }


def _stack(event: DeadLettered) -> dict[str, str]:
    """The traceback, made here: bounded, and plain whatever renderer a program has set up."""
    return {"exception": stack_of(event.error)} if event.reason == "failed" else {}


def _told(error: BaseException) -> str:
    text = f"{type(error).__name__}: {said(error)}"
    return text if len(text) <= 500 else f"{text[:500]}..."
