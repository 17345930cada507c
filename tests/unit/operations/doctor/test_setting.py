"""What an address and a broker's own words tell, without anybody being asked."""

from datetime import timedelta

import pytest

from toolkit import Settings
from toolkit.operations.doctor.broker import findings_of
from toolkit.operations.doctor.finding import Status
from toolkit.operations.doctor.setting import settings
from toolkit.topology.declarations import Version
from toolkit.transport.rabbitmq.inspector import BrokerFacts


def statuses(url: str) -> list[Status]:
    return [finding.status for finding in settings(Settings(amqp_url=url), "--broker")]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://guest:guest@localhost/", ["ok"]),
        ("amqp://127.0.0.1/", ["ok"]),
        ("amqp://guest:n0t-guessed@broker.example.com/", ["ok", "note"]),
        ("amqp://broker.example.com/", ["ok", "note"]),
        ("amqp://shop:shop@broker.example.com/", ["ok", "note"]),
        ("amqp://shop:ChangeMe@broker.example.com/", ["ok", "note"]),
        ("amqp://shop:n0t-guessed@broker.example.com/", ["ok"]),
        ("amqp://shop:shop@a.example.com/,amqp://shop:shop@b.example.com/", ["ok", "note"]),
    ],
)
def test_guests_and_first_guesses_are_noted_where_others_can_reach_them(
    url: str, expected: list[Status]
) -> None:
    """On this machine they are what development looks like."""
    assert statuses(url) == expected


def test_an_address_is_shown_without_its_password() -> None:
    """And with where it comes from."""
    (address, _) = settings(
        Settings(amqp_url="amqp://shop:shop@broker.example.com/"), "TOOLKIT_AMQP_URL"
    )
    assert address.sentence == "amqp://shop:***@broker.example.com/ (TOOLKIT_AMQP_URL)"


@pytest.mark.parametrize(("heartbeat", "is_noted"), [("4s", True), ("20s", False), ("1m", True)])
def test_a_heartbeat_that_is_unusual_is_noted(heartbeat: str, *, is_noted: bool) -> None:
    """5 to 20 seconds is RabbitMQ's advice."""
    found = settings(Settings(amqp_url="amqp://localhost/", heartbeat=heartbeat), "--broker")
    assert any(finding.subject == "TOOLKIT_HEARTBEAT" for finding in found) == is_noted


def facts(product: str, version: Version, platform: str = "Erlang/OTP 26") -> BrokerFacts:
    return BrokerFacts(
        address="amqp://localhost/",
        product=product,
        platform=platform,
        version=version,
        heartbeat=timedelta(seconds=10).total_seconds(),
        frame_max=131072,
        channel_max=2047,
    )


@pytest.mark.parametrize(
    ("product", "version", "status"),
    [
        ("RabbitMQ 3.9.29", (3, 9), "wrong"),
        ("RabbitMQ 3.10.8", (3, 10), "note"),
        ("RabbitMQ 3.13.7", (3, 13), "note"),
        ("RabbitMQ 4.0.5", (4, 0), "ok"),
        ("RabbitMQ 4.3.0", (4, 3), "ok"),
        ("RabbitMQ 4.4.0", (4, 4), "note"),
        ("LavinMQ 2.0.0", (2, 0), "note"),
    ],
)
def test_a_version_is_known_or_worth_a_word(product: str, version: Version, status: Status) -> None:
    """Too old is wrong: delayed messages could be lost."""
    found = {one.subject: one for one in findings_of(facts(product, version), Settings())}
    assert found["version"].status == status


def test_a_broker_that_only_goes_by_the_name_is_told_apart() -> None:
    """Such as the toolkit's own in memory."""
    found = findings_of(facts("RabbitMQ 4.0.0", (4, 0), "Python 3.11.7"), Settings())
    assert (
        "on Python 3.11.7 isn't RabbitMQ itself"
        in {o.subject: o for o in found}["version"].sentence
    )


@pytest.mark.parametrize(("version", "status"), [((3, 13), "ok"), ((4, 0), "note")])
def test_a_largest_body_that_the_broker_would_refuse_is_noted(
    version: Version, status: Status
) -> None:
    """128 MiB before 4.0, 16 from then on."""
    found = findings_of(facts("RabbitMQ", version), Settings(max_body=20 * 1024 * 1024))
    assert {one.subject: one for one in found}["sizes"].status == status
