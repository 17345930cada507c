"""The dead letters of others say why they died, and where they came from, as far as is known."""

from datetime import UTC, datetime

import pytest

from tests.unit.deliveries import delivery
from toolkit.messages.envelope import Envelope
from toolkit.operations.dead_letters.fault import Fault
from toolkit.operations.dead_letters.foreign import fault_of, without_fault

DEATH = {
    "count": 3,
    "reason": "rejected",
    "queue": "billing.charge",
    "exchange": "events",
    "routing-keys": ["orders.placed"],
    "time": datetime(2026, 11, 24, 2, tzinfo=UTC),
}
NET = """System.TimeoutException: too slow
   at Shop.Bank.Charge(Order o) in /src/{folder}/Bank.cs:line {line}
   at Shop.ChargeConsumer.Consume(ConsumeContext`1 c) in /src/{folder}/Charge.cs:line 9"""
JAVA = """org.springframework.amqp.ListenerExecutionFailedException: Listener threw
\tat org.springframework.amqp.Adapter.invoke(Adapter.java:{line})
Caused by: shop.bank.TimeoutException: too slow
\tat shop.bank.Bank.charge(Bank.java:{line})"""


def masstransit(line: int = 12, folder: str = "app") -> dict[str, object]:
    return {
        "MT-Reason": "fault",
        "MT-Fault-ExceptionType": "System.TimeoutException",
        "MT-Fault-Message": "too slow",
        "MT-Fault-StackTrace": NET.format(line=line, folder=folder),
        "MT-Fault-Timestamp": "2026-11-24T02:13:05.1234567Z",
        "MT-Fault-InputAddress": "rabbitmq://broker/shop/charge-order?durable=true",
        "MT-Fault-ConsumerType": "Shop.ChargeConsumer",
        "MT-Fault-MessageType": "urn:message:Shop:OrderPlaced",
        "MT-Host-MachineName": "node-7",
        "MT-Host-ProcessName": "billing",
    }


def nservicebus() -> dict[str, object]:
    return {
        "NServiceBus.ExceptionInfo.ExceptionType": "System.TimeoutException",
        "NServiceBus.ExceptionInfo.Message": "too slow",
        "NServiceBus.ExceptionInfo.StackTrace": NET.format(line=1, folder="x"),
        "NServiceBus.FailedQ": "Billing@node-7",
        "NServiceBus.TimeOfFailure": "2026-11-24 02:13:05:123456 Z",
        "NServiceBus.ProcessingEndpoint": "Billing",
        "NServiceBus.ProcessingMachine": "node-7",
        "NServiceBus.EnclosedMessageTypes": "Shop.OrderPlaced, Shop, Version=1.0.0.0",
    }


def spring(line: int = 5, more: dict[str, object] | None = None) -> dict[str, object]:
    return {
        "x-exception-message": "too slow",
        "x-exception-stacktrace": JAVA.format(line=line),
        "x-original-exchange": "events",
        "x-original-routingKey": "orders.placed",
        **(more or {}),
    }


def fault(headers: dict[str, object]) -> Fault:
    return fault_of(Envelope(b"", headers=headers))


def test_masstransit_is_read() -> None:
    """Its queue is the last part of an address, its fractions of a second have seven digits."""
    found = fault(masstransit())
    assert (found.source, found.queue, found.service) == ("MassTransit", "charge-order", "billing")
    assert (found.error_type, found.error_message) == ("System.TimeoutException", "too slow")
    assert found.failed_at == datetime(2026, 11, 24, 2, 13, 5, 123456, tzinfo=UTC)
    assert found.message_type == "urn:message:Shop:OrderPlaced"


def test_nservicebus_is_read() -> None:
    """The machine isn't part of the queue's name."""
    found = fault(nservicebus())
    assert (found.source, found.queue, found.host) == ("NServiceBus", "Billing", "node-7")
    assert found.failed_at == datetime(2026, 11, 24, 2, 13, 5, 123456, tzinfo=UTC)
    assert found.message_type == "Shop.OrderPlaced"


def test_spring_is_read() -> None:
    """The error is the innermost cause. Which queue it was is known by the broker, or by nobody."""
    found = fault(spring())
    assert (found.source, found.error_type) == ("Spring", "shop.bank.TimeoutException")
    assert (found.queue, found.exchange, found.routing_key) == (None, "events", "orders.placed")
    assert fault(spring(more={"x-death": [DEATH]})).queue == "billing.charge"
    assert fault(spring(more={"x-original-exchange": ""})).queue == "orders.placed"


def test_the_broker_is_read() -> None:
    """The newest death comes first."""
    found = fault({"x-death": [DEATH, {**DEATH, "queue": "older"}]})
    assert (found.source, found.reason, found.queue) == ("the broker", "rejected", "billing.charge")
    assert found.failed_at == DEATH["time"]
    assert found.attempts == 3


def test_nobody_is_read() -> None:
    """A message that says nothing is a letter all the same."""
    assert fault({}).source == "nobody"


def test_a_fault_is_the_same_on_another_line_in_another_folder() -> None:
    """And another fault isn't."""
    one = fault(masstransit())
    assert one.fingerprint == fault(masstransit(line=99, folder="new")).fingerprint
    other = masstransit() | {"MT-Fault-ExceptionType": "System.Exception"}
    assert one.fingerprint != fault(other).fingerprint
    assert fault(spring(5)).fingerprint == fault(spring(77)).fingerprint


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": "no list"},
        {"x-death": [1]},
        {"x-death": [{"queue": 7, "time": "then", "routing-keys": [None]}]},
        {"MT-Fault-InputAddress": "http://[", "MT-Fault-Timestamp": 7},
        {"NServiceBus.FailedQ": 1, "NServiceBus.TimeOfFailure": "soon"},
        {"x-exception-stacktrace": bytearray(b"\xff")},
        {"dead-reason": 1, "failed-at": "2026", "attempts": -1},
    ],
)
def test_what_makes_no_sense_counts_as_absent(headers: dict[str, object]) -> None:
    """Strangers write anything."""
    assert fault(headers).error_message is None


@pytest.mark.parametrize("headers", [masstransit(), nservicebus(), spring(), {"x-death": [DEATH]}])
def test_a_replay_carries_no_fault(headers: dict[str, object]) -> None:
    """Whoever wrote it; the sender's own headers stay."""
    left = without_fault(delivery(headers={**headers, "tenant": "a"}).envelope.headers)
    kept = {"tenant", "MT-Host-MachineName", "MT-Host-ProcessName"}
    assert set(left) <= kept | {name for name in headers if name.startswith("NServiceBus.P")} | {
        "NServiceBus.EnclosedMessageTypes"
    }
    assert left["tenant"] == "a"
