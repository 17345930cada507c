"""What a dead letter becomes: nothing of the message is lost, and nobody else gets it."""

from datetime import UTC, datetime

import pytest

from tests.unit.operations.dead_letters.letters import letter
from toolkit.messages import headers as wire
from toolkit.operations.dead_letters import copy
from toolkit.operations.dead_letters.copy import NowhereError
from toolkit.operations.dead_letters.letter import LetterError

NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)


def test_a_replay_goes_to_the_queue_that_failed_with_its_tries_afresh() -> None:
    """By the default exchange, under its own id, with no fault in it."""
    sent = copy.replayed(letter(headers={"tenant": "a"}), message_id="m-1", now=NOW, to=None)
    assert (sent.exchange, sent.routing_key) == ("", "billing.charge")
    assert sent.envelope.headers == {
        "tenant": "a",
        wire.FIRST_FAILED_AT: "2026-11-24T02:00:00.000+00:00",
        wire.ORIGINAL_EXCHANGE: "events",
        wire.ORIGINAL_ROUTING_KEY: "orders.placed",
        wire.REPLAY_COUNT: 1,
        wire.REPLAYED_AT: "2026-11-24T05:00:00.000+00:00",
        wire.REPLAYED_FINGERPRINT: "3f1c9a7be0d24468",
    }
    assert sent.envelope.body == letter().envelope.body
    assert sent.envelope.message_id == "m-1"


def test_a_letter_that_fails_again_shows_it() -> None:
    """The same way, or another one."""
    sent = copy.replayed(letter(), message_id="m-1", now=NOW, to=None).envelope.headers
    again = letter(headers=sent)
    assert (again.replays, again.failed_the_same_way) == (1, True)
    other = letter(headers=sent | {wire.ERROR_FINGERPRINT: "0" * 16})
    assert (other.replays, other.failed_the_same_way) == (1, False)
    assert not letter().failed_the_same_way
    twice = copy.replayed(again, message_id="m-1", now=NOW, to=None)
    assert twice.envelope.headers[wire.REPLAY_COUNT] == 2


def test_nobody_is_asked_to_take_a_letter_that_came_from_nowhere() -> None:
    """Its exchange would give it to every subscriber; a queue that is named will do."""
    spring = {"x-exception-message": "x", "x-original-exchange": "events"}
    lost = letter(record=spring)
    with pytest.raises(NowhereError, match=r"every subscriber.*--to QUEUE"):
        copy.target_of(lost)
    assert copy.replayed(lost, message_id="m", now=NOW, to="q").routing_key == "q"


def test_an_edited_letter_is_another_message_that_names_the_old_one() -> None:
    """With the new body."""
    sent = copy.edited(letter(), b"{}", message_id="new", now=NOW, to=None).envelope
    assert (sent.message_id, sent.body, sent.headers[wire.EDITED_FROM]) == ("new", b"{}", "m-1")


def test_what_is_discarded_can_be_restored_as_it_was() -> None:
    """Fault record and all."""
    old = letter(headers={"x-death": [{"queue": "q"}], "x-delivery-count": 4, "CC": ["elsewhere"]})
    away = copy.archived(old, message_id="m-1", now=NOW)
    assert away.routing_key == "billing.charge.dead.archive"
    back = copy.restored(
        letter(record=away.envelope.headers, queue=away.routing_key), message_id="m-1"
    )
    assert back.routing_key == "billing.charge.dead"
    kept = dict(old.envelope.headers)
    del kept["x-delivery-count"], kept["CC"]
    assert back.envelope.headers == kept


def test_what_nobody_discarded_can_not_be_restored() -> None:
    """Somebody else put it there."""
    with pytest.raises(LetterError, match="discarded-from"):
        copy.restored(letter(), message_id="m-1")


def test_what_would_let_a_copy_expire_or_be_refused_travels_as_a_header() -> None:
    """As for every copy that the toolkit makes."""
    sent = copy.archived(letter(expiration="5", user_id="ada"), message_id="m", now=NOW).envelope
    assert (sent.expiration, sent.user_id, sent.delivery_mode) == (None, None, 2)
    assert sent.headers[wire.ORIGINAL_EXPIRATION] == "5"
    assert sent.headers[wire.ORIGINAL_USER_ID] == "ada"


def test_letters_are_told_apart_by_their_deaths_and_not_by_their_looks() -> None:
    """A delivery count rises with each look, and is no other letter."""
    assert letter(headers={"x-delivery-count": 3}).digest() == letter().digest()
    later = letter(headers={wire.FAILED_AT: "2026-11-24T04:00:00.000+00:00"})
    assert later.digest() != letter().digest()
    assert letter(queue="other.dead").digest() != letter().digest()
    assert letter(b"{}").digest() != letter().digest()
