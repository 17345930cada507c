"""The description has what decides behaviour, and nothing else."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operations.market import Bring, Deliver, cart, described, in_memory, stall
from toolkit import (
    Command,
    Consumer,
    Context,
    DeadLetters,
    KillSwitch,
    Producer,
    QueueOptions,
    Retry,
    Sends,
    Service,
)
from toolkit.operations.description import describe

STALL = """
{
  "services": {
    "stall": {
      "consumes": {},
      "publishes": {
        "cart.deliver": {
          "kind": "command",
          "version": 1,
          "schema": "SCHEMA",
          "exchange": "commands",
          "required": true,
          "ttl_ms": null,
          "priority": null
        },
        "stall.sold": {
          "kind": "event",
          "version": 2,
          "schema": "SCHEMA",
          "exchange": "events",
          "required": true,
          "ttl_ms": 5000,
          "priority": 3
        }
      },
      "declares": {
        "exchanges": {
          "commands": {
            "type": "direct",
            "arguments": {}
          },
          "events": {
            "type": "topic",
            "arguments": {}
          }
        },
        "queues": {},
        "bindings": []
      },
      "settings": {
        "topology": "declare",
        "crash_budget": 3,
        "publish_timeout": "30s",
        "max_body": null,
        "content_type": "application/json"
      }
    }
  }
}
"""

BRING = """
{
  "consumer": "Bring",
  "handles": {
    "cart.deliver": {
      "kind": "command",
      "version": 1,
      "schema": "SCHEMA"
    }
  },
  "concurrency": 2,
  "prefetch": 8,
  "timeout": "30s",
  "retry": {
    "immediately": 1,
    "after": [
      "1s"
    ],
    "most_tries": 4,
    "only": [
      "Exception"
    ],
    "never": [
      "LookupError"
    ]
  },
  "dead_letters": {
    "queue": "cart.bring.dead",
    "retain": null,
    "max_length": null
  },
  "kill_switch": null
}
"""


def shown(value: Any) -> str:
    """As the command prints it; a fingerprint is for `test_schema`."""
    if isinstance(value, dict) and isinstance(value.get("schema"), str):
        value = value | {"schema": "SCHEMA"}
    if isinstance(value, dict):
        return json.dumps({key: json.loads(shown(inner)) for key, inner in value.items()}, indent=2)
    return json.dumps(value)


def bring(**differently: Any) -> Bring:
    consumer = Bring()
    for name, value in differently.items():
        setattr(consumer, name, value)
    return consumer


def test_a_service_that_publishes_is_described_by_this_document() -> None:
    """To the letter: committed documents are compared."""
    assert shown(describe([stall()])) == STALL.strip()


def test_a_consumer_is_described_by_this_document() -> None:
    """To the letter."""
    assert shown(described(cart(Bring()))["cart"]["consumes"]["cart.bring"]) == BRING.strip()


def test_what_a_consumer_needs_on_the_broker_is_described_with_its_arguments() -> None:
    """As they are for the newest RabbitMQ."""
    declares = described(cart(Bring()))["cart"]["declares"]
    assert declares["queues"]["cart.bring"] == {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "cart.bring.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-delivery-limit": 20,
        "x-max-length": 10,
        "x-overflow": "reject-publish",
        "x-queue-type": "quorum",
    }
    assert declares["exchanges"]["cart.return"]["arguments"] == {
        "alternate-exchange": "cart.parked"
    }
    assert ["commands", "cart.deliver", "cart.bring"] in declares["bindings"]


def test_the_order_of_declarations_does_not_matter() -> None:
    """Names are sorted, of services, queues, messages, exchanges and bindings."""
    first, second = cart(), cart(*reversed(cart().consumers))
    one = json.dumps(describe([first, stall()]))
    assert one == json.dumps(describe([stall(), second]))
    for part in ("queues", "exchanges"):
        names = list(described(first)["cart"]["declares"][part])
        assert names == sorted(names)


def test_the_address_of_the_broker_is_not_in_it() -> None:
    """The same on every machine, and no password."""
    elsewhere = Service("cart", settings=in_memory(lane="plain", health_port=8080))
    assert describe([elsewhere]) == describe([Service("cart", settings=in_memory())])


@pytest.mark.parametrize(
    "differently",
    [
        {"retry": Retry(immediately=0, after=("1s",), never=(LookupError,))},
        {"retry": Retry(immediately=1, after=("2s",), never=(LookupError,))},
        {"retry": Retry(immediately=1, after=("1s",))},
        {"retry": Retry(immediately=1, after=("1s",), on=(OSError,), never=(LookupError,))},
        {"concurrency": 3},
        {"prefetch": 9},
        {"timeout": "31s"},
        {"timeout": None},
        {"queue": QueueOptions(max_length=11)},
        {"queue": QueueOptions(max_length=10, ttl="1h")},
        {"queue": QueueOptions(max_length=10, type="classic")},
        {"queue": QueueOptions(max_length=10, delivery_limit=40)},
        {"queue": QueueOptions(max_length=10, single_active_consumer=True)},
        {"queue": QueueOptions(max_length=10, bindings=("#",))},
        {"queue": QueueOptions(max_length=10, arguments={"x-queue-leader-locator": "balanced"})},
        {"dead_letters": DeadLetters(retain="1d")},
        {"dead_letters": DeadLetters(max_length=5)},
        {"kill_switch": KillSwitch()},
    ],
    ids=str,
)
def test_it_changes_with_all_that_a_consumer_says(differently: dict[str, Any]) -> None:
    """One thing at a time."""
    assert describe([cart(bring(**differently))]) != describe([cart(Bring())])


@pytest.mark.parametrize(
    "differently",
    [{"share": 0.6}, {"minimum": 11}, {"window": "2m"}, {"pause": "16s"}],
    ids=str,
)
def test_it_changes_with_all_that_a_kill_switch_says(differently: dict[str, Any]) -> None:
    """One thing at a time."""
    usual = cart(bring(kill_switch=KillSwitch()))
    assert describe([cart(bring(kill_switch=KillSwitch(**differently)))]) != describe([usual])


def test_it_changes_with_jitter() -> None:
    """Which stretches a delay over three rungs."""
    retries = [Retry.exponential(attempts=1, jitter=jitter) for jitter in (0, 0.2)]
    steady, spread = (described(cart(bring(retry=retry)))["cart"] for retry in retries)
    assert steady["consumes"]["cart.bring"]["retry"]["after"] == ["1s"]
    assert spread["consumes"]["cart.bring"]["retry"]["after"] == ["1s/1s100ms/1s200ms"]


def command(**fields: Any) -> type[Command]:
    space = {"__annotations__": fields, "__module__": __name__}
    return type("Deliver", (Command,), space, name="cart.deliver")


def sending(model: type[Command], **options: Any) -> Service:
    producer = type("Messages", (Producer,), {"deliver": Sends(model, **options)})
    return Service("stall", producers=[producer], settings=in_memory())


def consuming(model: type[Command]) -> Service:
    class Take(Consumer[model]):  # type: ignore[valid-type] # made just now
        """Whatever it is."""

        async def handle(self, message: Any, context: Context) -> None:
            """Nothing."""

    return cart(Take())


@pytest.mark.parametrize("made", [sending, consuming])
@pytest.mark.parametrize(
    "fields", [{"number": str}, {"number": int, "more": int}, {}], ids=["type", "more", "less"]
)
def test_it_changes_with_a_field_of_a_contract(
    made: Callable[[type[Command]], Service], fields: dict[str, Any]
) -> None:
    """On the side that sends and on the one that receives."""
    assert describe([made(command(**fields))]) != describe([made(command(number=int))])


@pytest.mark.parametrize("options", [{"ttl": "1s"}, {"priority": 1}], ids=str)
def test_it_changes_with_how_a_message_is_sent(options: dict[str, Any]) -> None:
    """One thing at a time."""
    assert describe([sending(Deliver, **options)]) != describe([sending(Deliver)])


@pytest.mark.parametrize(
    "settings",
    [
        {"topology": "check"},
        {"crash_budget": 4},
        {"max_body": 100},
        {"publish_timeout": timedelta(seconds=1)},
    ],
    ids=str,
)
def test_it_changes_with_the_settings_that_decide_about_messages(settings: dict[str, Any]) -> None:
    """One at a time."""
    assert describe([stall(**settings)]) != describe([stall()])
