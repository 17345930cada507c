"""A consumer whose runs nearly all fail stops, waits, tries one, and goes on or waits again."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.outsider import eventually
from tests.shop import Handle, Placed, ShopEvents
from toolkit import ConfigurationError, Context, KillSwitch, Reject, Retry, Service
from toolkit.testing import ServiceHarness

Harness = Callable[..., ServiceHarness]


@pytest.fixture(params=["memory", "rabbitmq"])
def harness(request: pytest.FixtureRequest) -> Harness:
    """A harness on either broker."""
    on_rabbitmq = request.param == "rabbitmq"
    url = request.getfixturevalue("amqp_url") if on_rabbitmq else None
    return lambda *services, **options: ServiceHarness(*services, broker=url, **options)


class Server:
    """A behaviour with a server behind it that can be down."""

    def __init__(self) -> None:
        self.is_down = False
        self.calls = 0

    async def __call__(self, message: Placed, context: Context) -> None:
        self.calls += 1
        if self.is_down:
            raise ConnectionError("the server is down")


SWITCH = KillSwitch(share=0.5, minimum=4, window="1m", pause="2s")
PATIENT = Retry(immediately=0, after=("1s",) * 20)


def shop(server: Server, **options: Any) -> tuple[Handle, Service]:
    known = {"retry": PATIENT, "kill_switch": SWITCH, "concurrency": 2, **options}
    consumer = Handle(server, **known)
    return consumer, Service("shop", consumers=[consumer], producers=[ShopEvents])


async def place(seen: ServiceHarness, count: int) -> None:
    for number in range(count):
        await seen.publish(Placed(number=number))


async def test_a_dead_server_stops_the_consumer_and_its_return_starts_it(harness: Harness) -> None:
    """What waits in the queue isn't marched through the ladder, and all of it is done at last."""
    server = Server()
    consumer, service = shop(server)
    async with harness(service) as seen:
        seen.expect(ConnectionError)
        server.is_down = True
        await place(seen, 30)
        await seen.settled()
        assert "shop.handle" in service.suspended
        assert server.calls < 12
        before = server.calls
        await seen.advance("2s")
        await eventually(lambda: server.calls == before + 1)  # one probe
        assert service.suspended
        server.is_down = False
        await seen.advance("2s")
        await seen.consumed(Placed).at_least(30)
        assert not service.suspended
        assert not seen.dead_lettered()
    assert sorted(consumer.done) == list(range(30))


async def test_a_server_that_stays_down_is_asked_once_in_a_while() -> None:
    """One message for each pause, for as long as it takes."""
    server = Server()
    _, service = shop(server)
    async with ServiceHarness(service) as seen:
        seen.expect(ConnectionError)
        server.is_down = True
        await place(seen, 10)
        await seen.settled()
        before = server.calls
        await seen.advance("20s")
        assert before + 9 <= server.calls <= before + 10
        (condition,) = service.condition.consumers
        assert condition.state == "suspended"
        assert "kill switch" in (condition.reason or "")


async def test_few_failures_do_not_trip_it() -> None:
    """Neither fewer than the minimum, nor a share below its own."""
    server = Server()
    _, service = shop(server)
    async with ServiceHarness(service) as seen:
        seen.expect(ConnectionError)
        await place(seen, 10)
        await seen.settled()
        server.is_down = True
        await place(seen, 5)
        await seen.settled()
        assert not service.suspended


async def test_old_failures_are_forgotten() -> None:
    """Those that lie behind the window."""
    server = Server()
    _, service = shop(server, retry=Retry(immediately=0, after=()))
    async with ServiceHarness(service) as seen:
        seen.expect(ConnectionError)
        server.is_down = True
        await place(seen, 3)
        await seen.advance("64s")
        await place(seen, 3)
        await seen.settled()
        assert not service.suspended
        await place(seen, 1)
        await seen.settled()
        assert service.suspended


class Wrong(Exception):
    """About a message, not about a server."""


@pytest.mark.parametrize("error", [Wrong(), Reject("no")])
async def test_what_is_wrong_with_messages_says_nothing_of_a_server(error: Exception) -> None:
    """Errors that are never retried, and verdicts, trip nothing."""

    async def refuse(_: Placed, __: Context) -> None:
        raise error

    consumer = Handle(refuse, retry=Retry(never=(Wrong,)), kill_switch=SWITCH)
    service = Service("shop", consumers=[consumer])
    async with ServiceHarness(service) as seen:
        seen.expect(Wrong)
        await place(seen, 20)
        await seen.settled()
        assert not service.suspended
        assert len(seen.dead_lettered()) == 20


async def test_a_suspended_service_stops_like_any_other(harness: Harness) -> None:
    """Nothing is left running, and what it gave back is for others."""
    server = Server()
    _, service = shop(server)
    server.is_down = True
    async with harness(service) as seen:
        seen.expect(ConnectionError)
        await place(seen, 10)
        await seen.settled()
        assert service.suspended
        await service.stop()
        assert not service.suspended


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0}, "share: 0 must be over 0 and at most 1"),
        ({"share": 1.5}, "share"),
        ({"minimum": 0}, "minimum: 0 must be 1 or more"),
        ({"window": "0s"}, "window: must be longer than zero"),
        ({"pause": "soon"}, "pause"),
    ],
)
def test_a_switch_that_can_not_work_says_why(options: dict[str, Any], said: str) -> None:
    """Where it is declared."""
    with pytest.raises(ConfigurationError, match=said):
        KillSwitch(**options)


def test_it_says_what_it_does_in_numbers() -> None:
    """As the first lines of a service's log do."""
    assert str(SWITCH) == "pauses 2s once 50% of 4 runs or more within 1m have failed"
