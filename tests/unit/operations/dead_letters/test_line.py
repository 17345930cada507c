"""A letter in a file is the letter, byte for byte."""

import json

import pytest
from hypothesis import given

from tests.unit.amqp import envelopes
from tests.unit.deliveries import InMemoryDelivery
from tests.unit.operations.dead_letters.letters import letter
from toolkit.messages.envelope import Envelope
from toolkit.operations.dead_letters.letter import Letter, LetterError, properties_of
from toolkit.operations.dead_letters.line import letters_of, line_of


@given(envelopes)
def test_what_is_exported_is_imported(envelope: Envelope) -> None:
    """Whatever AMQP can carry."""
    old = Letter.of("q.dead", InMemoryDelivery(envelope))
    (new,) = letters_of([line_of(old)], queue=None, source="file")
    assert properties_of(new.envelope) == properties_of(old.envelope)
    assert (new.envelope.body, new.queue) == (envelope.body, "q.dead")


def test_a_line_says_what_it_is() -> None:
    """For people, and for jq."""
    said = json.loads(line_of(letter()))
    assert (said["id"], said["error"], said["queue"]) == (
        "m-1",
        "shop.errors.Timeout",
        "billing.charge.dead",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting"),
        ("[]", "no JSON object"),
        ('{"body": ""}', "it has no 'properties'"),
        ('{"properties": "AAA", "body": "", "queue": "q"}', "padding"),
        ('{"properties": "", "body": "", "queue": "q"}', "end too early"),
        ('{"properties": "AAA=", "body": "", "queue": 7}', "no name of a queue"),
    ],
)
def test_a_line_that_is_no_letter_is_named(line: str, problem: str) -> None:
    """By file and number, before anything is sent."""
    lines = [line_of(letter()), "", line]
    with pytest.raises(
        LetterError, match=f"line 3 of night.jsonl.*{problem}.*nothing was imported"
    ):
        list(letters_of(lines, queue=None, source="night.jsonl"))
