"""The copies that carry a message on: what they keep, drop, move into headers and add."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.amqp import envelopes, header_tables
from tests.unit.deliveries import InMemoryDelivery, delivery
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.policies.dead_letter import FaultRecord
from toolkit.receiving import copies
from toolkit.transport.rabbitmq.wire import encode_properties

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LADDER = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30))


def delayed(
    incoming: InMemoryDelivery, *, delay: timedelta = LADDER[1], rounds: int = 1, attempts: int = 3
) -> Publication:
    return copies.delayed(
        incoming,
        service="shop",
        queue="shop.ship",
        delay=delay,
        rungs=LADDER,
        rounds=rounds,
        attempts=attempts,
        now=NOON,
    )


def record(**fields: Any) -> FaultRecord:
    usual: dict[str, Any] = {
        "reason": "failed",
        "error": ValueError("no such customer"),
        "attempts": 3,
        "first_failed_at": NOON,
        "failed_at": NOON,
        "queue": "shop.ship",
        "consumer": "Ship",
        "service": "shop",
        "host": "host-1",
        "original_exchange": "events",
        "original_routing_key": "orders.placed",
    }
    return FaultRecord(**(usual | fields))


def suspected(incoming: InMemoryDelivery) -> Publication:
    return copies.suspected(incoming, suspects="shop.suspects", queue="shop.ship", attempts=3)


def dead(incoming: InMemoryDelivery) -> list[Publication]:
    return list(copies.dead(incoming, record(), queue="shop.ship.dead"))


def all_copies(incoming: InMemoryDelivery) -> list[Publication]:
    return [delayed(incoming), suspected(incoming), *dead(incoming)]


# ---------------------------------------------------------------------------------- what stays


@given(envelopes)
def test_a_copy_has_the_body_and_the_properties_of_the_original(envelope: Envelope) -> None:
    """All but those that say where the copy is, which are persistence, time to live and user."""
    expected = replace(
        envelope, headers={}, message_id=None, delivery_mode=2, expiration=None, user_id=None
    )
    for copy in all_copies(InMemoryDelivery(envelope)):
        assert replace(copy.envelope, headers={}, message_id=None) == expected


@given(header_tables)
def test_a_copy_keeps_the_senders_own_headers(headers: dict[str, Any]) -> None:
    """Under their names and with their values, as long as there is room."""
    for copy in all_copies(delivery(headers=headers))[:-1]:
        kept = {name: copy.envelope.headers[name] for name in headers}
        assert kept == headers


@given(envelopes)
def test_making_a_copy_changes_nothing_in_the_original(envelope: Envelope) -> None:
    """It may be copied again, or go back to its queue."""
    before = replace(envelope, headers=dict(envelope.headers))
    all_copies(InMemoryDelivery(envelope))
    assert envelope == before


@given(envelopes)
def test_every_copy_can_be_published(envelope: Envelope) -> None:
    """Whatever a stranger sent, no copy is refused for its properties."""
    for copy in all_copies(InMemoryDelivery(envelope)):
        assert encode_properties(copy.envelope)
        assert copy.envelope.message_id


def test_a_copy_keeps_the_id() -> None:
    """So that a deduplicating receiver sees one message."""
    assert {copy.envelope.message_id for copy in all_copies(delivery())} == {"m-1"}


@pytest.mark.parametrize("message_id", [None, "", b"\xff".decode("utf-8", "surrogateescape")])
def test_a_message_without_a_usable_id_gets_one(message_id: str | None) -> None:
    """A copy must be told from others; an id that isn't text is kept as a header."""
    copy = delayed(delivery(message_id=message_id))
    assert copy.envelope.message_id
    assert copy.envelope.message_id.isascii()
    assert (copy.envelope.headers.get("original-message-id") or None) == (message_id or None)


# ---------------------------------------------------------------------------------- what goes


def test_a_copy_drops_what_the_broker_added() -> None:
    """Brokers before 4.0 act on a copied `x-death`; CC and BCC would route it elsewhere."""
    theirs = {
        "x-death": [{"queue": "q", "count": 1}],
        "x-first-death-queue": "q",
        "x-last-death-reason": "expired",
        "x-delivery-count": 2,
        "x-acquired-count": 2,
        "CC": ["other"],
        "BCC": ["other"],
    }
    for copy in all_copies(delivery(headers={**theirs, "colour": "red"}))[:-1]:
        assert not set(copy.envelope.headers) & set(theirs)
        assert copy.envelope.headers["colour"] == "red"


def test_a_copy_moves_the_time_to_live_and_the_user_into_headers() -> None:
    """It must not expire where it waits, and a broker refuses another's user id."""
    for copy in all_copies(delivery(expiration="60000", user_id="ada"))[:-1]:
        assert (copy.envelope.expiration, copy.envelope.user_id) == (None, None)
        assert copy.envelope.headers["original-expiration"] == "60000"
        assert copy.envelope.headers["original-user-id"] == "ada"


def test_a_copy_is_persistent() -> None:
    """Also of a message that wasn't."""
    assert {copy.envelope.delivery_mode for copy in all_copies(delivery(delivery_mode=1))} == {2}


# ---------------------------------------------------------------------------------- where from


def test_a_copy_says_where_the_message_first_came_from() -> None:
    """The broker's own exchange and key are those of the copy from now on."""
    headers = delayed(delivery()).envelope.headers
    assert headers["original-exchange"] == "events"
    assert headers["original-routing-key"] == "orders.placed"


def test_a_copy_of_a_copy_still_says_so() -> None:
    """However often the message has come back."""
    first = delayed(delivery())
    back = InMemoryDelivery(first.envelope, exchange="shop.return", routing_key="shop.ship")
    assert copies.origin_of(back) == ("events", "orders.placed")
    for copy in all_copies(back):
        assert copy.envelope.headers["original-exchange"] == "events"
        assert copy.envelope.headers["original-routing-key"] == "orders.placed"


def test_an_origin_may_have_the_longest_names_that_there_are() -> None:
    """255 bytes each."""
    headers = {"original-exchange": "x" * 255, "original-routing-key": "y" * 255}
    assert copies.origin_of(delivery(headers=headers)) == ("x" * 255, "y" * 255)


@pytest.mark.parametrize(
    "headers",
    [
        {"original-exchange": "forged"},
        {"original-exchange": 1, "original-routing-key": 2},
        {"original-exchange": "events", "original-routing-key": "x" * 100_000},
        {"original-exchange": "x" * 256, "original-routing-key": "orders.placed"},
    ],
)
def test_an_origin_that_makes_no_sense_is_not_believed(headers: dict[str, Any]) -> None:
    """Names have at most 255 bytes, and come in pairs."""
    assert copies.origin_of(delivery(headers=headers)) == ("events", "orders.placed")


# ---------------------------------------------------------------------------------- delays


def test_a_delayed_copy_goes_to_its_rung_and_back_to_its_queue() -> None:
    """The key is the queue to come back to; the copy counts for itself."""
    copy = delayed(delivery(), delay=LADDER[1], rounds=2, attempts=6)
    assert (copy.exchange, copy.routing_key) == ("shop.delay.5s", "shop.ship")
    assert copy.is_required
    assert copy.envelope.headers == {
        "original-exchange": "events",
        "original-routing-key": "orders.placed",
        "retry-attempt": 2,
        "attempts": 6,
        "first-failed-at": "2026-03-01T12:00:00.000+00:00",
    }


def test_the_first_failure_stays_the_first() -> None:
    """However often it has failed since."""
    earlier = "2026-02-28T09:00:00.000+00:00"
    copy = delayed(delivery(headers={"first-failed-at": earlier}))
    assert copy.envelope.headers["first-failed-at"] == earlier


@given(st.timedeltas(timedelta(0), timedelta(days=24)))
def test_a_delay_is_waited_for_on_the_longest_rung_that_is_not_too_long(delay: timedelta) -> None:
    """Never back too early by more laps than needed; what is too short for all takes the first."""
    rung = copies.rung_for(delay, LADDER)
    assert rung in LADDER
    assert rung <= max(delay, LADDER[0])
    assert not [longer for longer in LADDER if rung < longer <= delay]


def test_a_delay_between_two_rungs_travels_in_laps() -> None:
    """The copy says when it is due, so that it isn't handled too early."""
    copy = delayed(delivery(), delay=timedelta(seconds=12))
    assert copy.exchange == "shop.delay.5s"
    assert copy.envelope.headers["retry-not-before"] == "2026-03-01T12:00:12.000+00:00"


def test_a_delay_that_fits_a_rung_needs_no_moment() -> None:
    """And an older one is taken off."""
    late = delivery(headers={"retry-not-before": "2026-03-01T11:00:00+00:00"})
    assert "retry-not-before" not in delayed(late, delay=LADDER[2]).envelope.headers


@pytest.mark.parametrize("days", [0.001, 1, 24])
def test_a_message_that_came_back_early_waits_for_the_rest(days: float) -> None:
    """Up to the longest delay that can be asked for."""
    moment = NOON + timedelta(days=days)
    left = copies.due(delivery(headers={"retry-not-before": moment.isoformat()}), NOON)
    assert left == timedelta(days=days)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T12:00:00+00:00",
        "soon",
        "",
        5,
        None,
        "9999-12-31T23:59:59+00:00",
        "9999-12-31T23:59:59-12:00",
        (NOON + timedelta(days=400)).isoformat(),
    ],
)
def test_a_moment_that_is_past_or_makes_no_sense_is_not_waited_for(value: Any) -> None:
    """A stranger's header can't keep a message on its way for ever."""
    assert copies.due(delivery(headers={"retry-not-before": value}), NOON) is None


def test_a_message_that_says_nothing_is_due() -> None:
    """As most are."""
    assert copies.due(delivery(), NOON) is None


# ---------------------------------------------------------------------------------- dead letters


def test_a_dead_letter_carries_the_record_and_the_senders_headers() -> None:
    """In the dead-letter queue, reached through the default exchange, and found there."""
    copy, *_ = dead(delivery(headers={"colour": "red", "retry-attempt": 2, "attempts": 9}))
    assert (copy.exchange, copy.routing_key) == ("", "shop.ship.dead")
    assert copy.is_required
    assert copy.envelope.headers == {"colour": "red", **record().headers()}


def test_what_is_taken_out_of_the_dead_letters_begins_anew() -> None:
    """A dead letter that somebody publishes again has its whole budget."""
    headers = dead(delivery(headers={"retry-attempt": 4, "retry-not-before": "x"}))[0]
    assert not {"retry-attempt", "retry-not-before"} & set(headers.envelope.headers)


LARGE: dict[str, dict[str, Any]] = {
    "one large header": {"blob": "x" * 125_000},
    "many headers": {f"header-{number}": "ü" * 100 for number in range(550)},
    "a forged origin": {"original-exchange": "x" * 60_000, "original-routing-key": "y" * 60_000},
    "a long forged stack": {"error-stack": "x" * 120_000},
}


@pytest.mark.parametrize("headers", LARGE.values(), ids=LARGE)
def test_the_last_copy_of_a_message_with_large_headers_always_fits(headers: dict[str, Any]) -> None:
    """Its own headers go at last, and their names stay."""
    *_, last = dead(delivery(headers=headers))
    assert len(encode_properties(last.envelope)) < 8_000
    assert "dropped-headers" in last.envelope.headers


def test_what_a_dead_letter_had_no_room_for_is_named() -> None:
    """In the last of its copies."""
    *_, last = dead(delivery(headers={"blob": "x" * 125_000, "colour": "red"}))
    assert last.envelope.headers["dropped-headers"].startswith("blob, colour")
    assert not {"blob", "colour"} & set(last.envelope.headers)


def test_each_copy_of_a_dead_letter_is_smaller_than_the_one_before() -> None:
    """The whole record, then one without the stack, then one without the message's own headers."""
    copied = dead(delivery(headers={"blob": "x" * 10_000}))
    sizes = [len(encode_properties(copy.envelope)) for copy in copied]
    assert sizes == sorted(sizes, reverse=True)
    assert [copy.envelope.headers.keys() & {"error-stack", "blob"} for copy in copied] == [
        {"error-stack", "blob"},
        {"blob"},
        set(),
    ]


def test_a_dead_letter_that_fails_again_tells_of_the_new_fault_only() -> None:
    """A brief record leaves out the stack, also the one of an earlier fault."""
    again = delivery(headers=record(error=KeyError("old")).headers() | {"error-stack": "old"})
    for copy in dead(again):
        assert copy.envelope.headers.get("error-stack") != "old"


def test_a_suspect_waits_to_run_alone_and_says_whose_it_is() -> None:
    """In the one queue for suspects of the service."""
    copy = suspected(delivery())
    assert (copy.exchange, copy.routing_key) == ("", "shop.suspects")
    assert copy.envelope.headers["failed-queue"] == "shop.ship"
    assert copy.envelope.headers["attempts"] == 3
