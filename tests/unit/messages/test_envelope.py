"""An envelope is a message as AMQP 0-9-1 knows it."""

from dataclasses import fields

from pamqp.commands import Basic

from toolkit.messages.envelope import Envelope

_OUR_OWN = {"body", "as_it_came", "unreadable"}


def test_an_envelope_has_every_property_of_amqp_and_little_else() -> None:
    """No property of a message can get lost for want of a place."""
    amqp = set(Basic.Properties.attributes()) - {"message_type"} | {"type"}
    assert {field.name for field in fields(Envelope)} == amqp | _OUR_OWN


def test_two_envelopes_never_share_their_headers() -> None:
    """Each one made without headers has a table of its own."""
    one, other = Envelope(b""), Envelope(b"")
    one.headers["colour"] = "red"
    assert other.headers == {}
