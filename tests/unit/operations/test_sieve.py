"""Which messages are wanted."""

import pytest

from toolkit import ConfigurationError
from toolkit.messages.envelope import Envelope
from toolkit.operations.sieve import Sieve, conditions
from toolkit.operations.watch import bindings_for

BODY = b'{"customer": {"email": "a@b"}, "lines": [{"count": 2}], "paid": true, "note": null}'


def envelope(body: bytes = BODY) -> Envelope:
    return Envelope(body, type="orders.placed", app_id="orders", headers={"tenant": "blue", "n": 5})


def sieve(
    *types: str,
    services: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
    fields: dict[str, str] | None = None,
) -> Sieve:
    return Sieve(types=types, services=services, headers=headers or {}, fields=fields or {})


def test_without_conditions_all_are_wanted() -> None:
    assert sieve().lets_through(envelope())
    assert sieve().lets_through(Envelope(b"\xff"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("customer.email", "a@b"),
        ("lines.0.count", "2"),
        ("paid", "true"),
        ("note", "null"),
        ("lines.0", '{"count": 2}'),
    ],
)
def test_a_field_is_found_by_its_path(path: str, value: str) -> None:
    """What isn't text is written as JSON writes it."""
    assert sieve(fields={path: value}).lets_through(envelope())
    assert not sieve(fields={path: f"{value}x"}).lets_through(envelope())


@pytest.mark.parametrize("path", ["lines.1.count", "lines.x", "customer.name", "paid.x", ""])
def test_a_path_that_leads_nowhere_has_no_value(path: str) -> None:
    """Not even null."""
    assert not sieve(fields={path: "null"}).lets_through(envelope())


def test_a_body_that_is_no_json_has_no_fields() -> None:
    assert not sieve(fields={"a": "1"}).lets_through(envelope(b"\xff"))


def test_all_conditions_have_to_hold() -> None:
    """Of several types or services one is enough."""
    headers, fields = {"tenant": "blue", "n": "5"}, {"paid": "true"}
    both = sieve("x", "orders.placed", services=("orders", "y"), headers=headers, fields=fields)
    assert both.lets_through(envelope())
    assert not sieve("x", headers=headers, fields=fields).lets_through(envelope())
    assert not sieve(services=("y",), headers=headers, fields=fields).lets_through(envelope())
    assert not sieve(headers={"tenant": "red"}).lets_through(envelope())
    assert not sieve(headers={"nothing": "null"}).lets_through(envelope())


def test_conditions_are_written_with_an_equals_sign() -> None:
    """The first one counts; an option that is written otherwise is named."""
    assert conditions(["a=1", "b=c=d", "e="], "--header") == {"a": "1", "b": "c=d", "e": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(ConfigurationError, match="--header NAME=VALUE"):
            conditions([wrong], "--header")


def test_commands_are_bound_by_name_and_events_by_pattern() -> None:
    """A direct exchange knows no patterns."""
    assert [b.pattern for b in bindings_for("orders.#", None)] == ["orders.#"]
    names = ("orders.ship", "orders.pack.now", "depot.move")
    found = bindings_for("orders.*", names)
    assert [(b.exchange, b.pattern) for b in found] == [("commands", "orders.ship")]
