"""Logs are for people on a terminal and for machines elsewhere, and hold no password anywhere."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from toolkit import Reject, configure_logging
from toolkit.messages.envelope import Envelope
from toolkit.observability import events
from toolkit.observability.events import (
    ConsumerResumed,
    ConsumerSuspended,
    DeadLettered,
    DiscardedByHandler,
    Failed,
    HandedBack,
    Handled,
    MessageEvent,
    MessageFacts,
    NobodyListens,
    Observation,
    Quarantined,
    RetryScheduled,
    SettlementFailed,
)
from toolkit.observability.hooks import Hooks
from toolkit.observability.logging import LogHook, without_passwords

FACTS: MessageFacts = {
    "consumer": "Ship",
    "queue": "shop.ship",
    "message_id": "m-1",
    "correlation_id": "c-1",
    "type": "orders.placed",
    "attempt": 2,
    "envelope": Envelope(b"{}"),
}
ADDRESS = "amqp://ada:hunter2@broker/shop"


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Every test sets up logging for itself, and leaves none of it behind."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    """A stream with somebody in front of it."""

    def isatty(self) -> bool:
        return True


# ---------------------------------------------------------------------------------- the form


def test_elsewhere_than_on_a_terminal_each_line_is_json() -> None:
    """With event, level and time, and what was said."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger("shop").info("order shipped", order_id=1, at=timedelta(seconds=1))
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["order_id"]) == ("order shipped", "info", 1)
    assert line["timestamp"].endswith("Z")


def test_on_a_terminal_it_is_pretty() -> None:
    """In colours."""
    stream = Terminal()
    configure_logging(stream=stream)
    structlog.get_logger("shop").info("order shipped", order_id=1)
    assert "order shipped" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


@pytest.mark.parametrize(("style", "is_json"), [("json", True), ("pretty", False)])
def test_the_form_can_be_chosen(style: Any, *, is_json: bool) -> None:
    """A pretty log in a file has no colours."""
    stream = Terminal() if is_json else io.StringIO()
    configure_logging(style=style, stream=stream)
    structlog.get_logger("shop").info("order shipped")
    assert stream.getvalue().startswith("{") is is_json
    assert "\x1b[" not in stream.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    """By us or by any library."""
    stream = io.StringIO()
    configure_logging(level="warning", stream=stream)
    structlog.get_logger("shop").info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger("shop").warning("loud")
    logging.getLogger("library").warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"] * 2


@pytest.mark.parametrize("style", ["json", "pretty"])
@pytest.mark.parametrize("logger", [structlog.get_logger("shop"), logging.getLogger("library")])
def test_a_failure_is_written_with_its_traceback(logger: Any, style: Any) -> None:
    """Without any warning on how it should have been done."""
    stream = io.StringIO()
    configure_logging(style=style, stream=stream)
    try:
        raise LookupError("no such order")
    except LookupError:
        logger.exception("shipping failed")
    assert "Traceback (most recent call last)" in stream.getvalue()
    assert "LookupError: no such order" in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_any_text_can_be_written(style: Any) -> None:
    """Also one that UTF-8 can't carry: a stranger's id, say."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    configure_logging(style=style, stream=stream)
    structlog.get_logger("shop").info("bad id", message_id="caf\udce9", text="\ud800")
    stream.flush()
    assert b"bad id" in raw.getvalue()


# ---------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://ada:hunter2@broker/", "amqp://ada:***@broker/"),
        ("AMQPS://ada:hunter2@broker:5671/v", "AMQPS://ada:***@broker:5671/v"),
        ("amqp://:hunter2@broker", "amqp://:***@broker"),
        ("postgresql+asyncpg://u:hunter2@db/x", "postgresql+asyncpg://u:***@db/x"),
        ("amqp://ada:hunt@er2@broker/", "amqp://ada:***@broker/"),
        ("amqp://a:hunter2@b,amqp://c:hunter2@d", "amqp://a:***@b,amqp://c:***@d"),
        ("see amqp://a:hunter2@b and mail x@y.z", "see amqp://a:***@b and mail x@y.z"),
        ("http://localhost:8000/ab@c", "http://localhost:8000/ab@c"),
        ("amqp://broker/", "amqp://broker/"),
        ("no address: at 12:30 @home", "no address: at 12:30 @home"),
    ],
)
def test_the_password_of_an_address_is_replaced_and_nothing_else(text: str, shown: str) -> None:
    """Wherever in a text it stands."""
    assert without_passwords(text) == shown


@given(st.text(min_size=3), st.text(max_size=20), st.text(max_size=20))
def test_no_password_survives(password: str, before: str, after: str) -> None:
    """Whatever it is made of, as long as the address is one."""
    secret = f"hunter{password}2"
    url = URL.build(scheme="amqp", user="ada", password=secret, host="broker")
    shown = without_passwords(f"{before} {url} {after}")
    assert "amqp://ada:***@broker" in shown
    assert str(url.raw_password) not in shown.replace(before, "").replace(after, "")


@dataclass
class Options:
    """Something with an address in it."""

    url: str


LEAKS: dict[str, Callable[[Any], None]] = {
    "the event": lambda log: log.info(f"connecting to {ADDRESS}"),
    "a value": lambda log: log.info("connecting", url=ADDRESS),
    "a list": lambda log: log.info("connecting", urls=[ADDRESS]),
    "a table": lambda log: log.info("connecting", options={"url": ADDRESS}),
    "a URL": lambda log: log.info("connecting", url=URL(ADDRESS)),
    "bytes": lambda log: log.info("connecting", url=ADDRESS.encode()),
    "an object": lambda log: log.info("connecting", options=Options(ADDRESS)),
    "an error": lambda log: log.info("failed", error=ValueError(ADDRESS)),
    "a traceback": lambda log: log.error("failed", exc_info=ValueError(ADDRESS)),
    "a name": lambda log: log.info("connecting", **{ADDRESS: 1}),
}


@pytest.mark.parametrize("style", ["json", "pretty"])
@pytest.mark.parametrize("say", LEAKS.values(), ids=LEAKS)
def test_no_password_is_logged_in_whatever_it_is_wrapped(
    say: Callable[[Any], None], style: Any
) -> None:
    """Neither as text nor inside of something."""
    stream = io.StringIO()
    configure_logging(style=style, stream=stream)
    say(structlog.get_logger("shop"))
    assert "ada:***@broker" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_no_library_logs_a_password_either(style: Any) -> None:
    """Through the standard library's logging, in arguments or in a traceback."""
    stream = io.StringIO()
    configure_logging(style=style, stream=stream)
    try:
        raise OSError(ADDRESS)
    except OSError:
        logging.getLogger("library").exception("no way to %s", ADDRESS)
    assert stream.getvalue().count("ada:***@broker") >= 2
    assert "hunter2" not in stream.getvalue()


def test_the_librarys_own_cries_are_left_out() -> None:
    """Every fault of theirs is reported by us, with what to do."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    for name in ("aio_pika", "aiormq.connection"):
        logging.getLogger(name).error("Unexpected connection close")
    assert stream.getvalue() == ""


# ---------------------------------------------------------------------------------- the hook

FAILURES: list[tuple[Observation, str, str]] = [
    (Failed(**FACTS, error=ValueError("no price")), "warning", "failed"),
    (
        RetryScheduled(**FACTS, delay=timedelta(seconds=90), error=ValueError("no price")),
        "warning",
        "retry",
    ),
    (
        DeadLettered(
            **FACTS, reason="failed", error=ValueError("no price"), dead_letter_queue="ship.dead"
        ),
        "error",
        "dead-letter",
    ),
    (DiscardedByHandler(**FACTS, reason="seen before"), "warning", "discard"),
    (Quarantined(**FACTS, earlier_deliveries=4), "error", "quarantine"),
    (SettlementFailed(**FACTS, error=ValueError("no price")), "error", "requeue"),
    (HandedBack(**FACTS), "info", "return"),
]


def logged(*events: Observation, logs_success: bool = False) -> list[dict[str, Any]]:
    stream = io.StringIO()
    configure_logging(style="json", level="debug", stream=stream)
    hooks = Hooks()
    LogHook(hooks, logs_success=logs_success)
    for event in events:
        hooks.emit(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("event", "level", "outcome"), FAILURES)
def test_whatever_goes_wrong_is_logged_with_who_and_how(
    event: Observation, level: str, outcome: str
) -> None:
    """Message, correlation, consumer, attempt and outcome, so that it can be searched for."""
    (line,) = logged(event)
    assert (line["level"], line["outcome"]) == (level, outcome)
    assert {
        name: line[name] for name in ("message_id", "correlation_id", "consumer", "attempt")
    } == {
        "message_id": "m-1",
        "correlation_id": "c-1",
        "consumer": "Ship",
        "attempt": 2,
    }


def test_every_kind_of_event_is_logged() -> None:
    """None that is added later can be forgotten here."""
    told = {type(event) for event, *_ in FAILURES}
    told |= {Handled, MessageEvent, NobodyListens, ConsumerSuspended, ConsumerResumed}
    kinds = {
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == events.__name__
    }
    assert kinds == told


def test_a_later_try_says_when_and_a_dead_letter_where() -> None:
    """As people write it."""
    retry, dead = logged(FAILURES[1][0], FAILURES[2][0])
    assert retry["delay"] == "1m30s"
    assert (dead["dead_letter_queue"], dead["reason"]) == ("ship.dead", "failed")
    assert dead["error"] == "ValueError: no price"


def test_only_a_dead_letter_that_failed_shows_its_traceback() -> None:
    """A rejected one is no fault of the code."""
    rejected = DeadLettered(
        **FACTS, reason="rejected", error=Reject("no such customer"), dead_letter_queue="ship.dead"
    )
    failed, plain = logged(FAILURES[2][0], rejected)
    assert "ValueError: no price" in failed["exception"]
    assert "exception" not in plain


def test_an_error_that_says_very_much_is_cut() -> None:
    """A log line is no archive."""
    (line,) = logged(Failed(**FACTS, error=ValueError("x" * 1_000_000)))
    assert len(line["error"]) < 600


def test_success_is_logged_at_debug_and_free_otherwise() -> None:
    """Without it nobody asks for the event, so the engine doesn't even make it."""
    handled = Handled(**FACTS, seconds=0.0123456789)
    (line,) = logged(handled, logs_success=True)
    assert (line["level"], line["outcome"], line["seconds"]) == ("debug", "ack", 0.012346)
    assert logged(handled) == []
    hooks = Hooks()
    LogHook(hooks, logs_success=False)
    assert not hooks.wants(Handled)


def test_an_event_that_nobody_listens_to_is_a_warning() -> None:
    """It names type and exchange."""
    (line,) = logged(NobodyListens(type="orders.placed", exchange="events", routing_key="x"))
    assert (line["level"], line["type"], line["exchange"]) == ("warning", "orders.placed", "events")


def test_a_suspended_consumer_is_an_error_and_its_return_a_relief() -> None:
    """With the figures that tripped its switch."""
    names = {"consumer": "Ship", "queue": "shop.ship"}
    pause = timedelta(seconds=15)
    suspended, resumed = logged(
        ConsumerSuspended(**names, runs=20, failures=18, pause=pause),
        ConsumerResumed(**names, lasted=timedelta(minutes=1)),
    )
    assert (suspended["level"], suspended["failed"], suspended["next_try_in"]) == (
        "error",
        "18 of 20",
        "15s",
    )
    assert (resumed["level"], resumed["after"]) == ("info", "0:01:00")
