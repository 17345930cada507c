"""A consumer whose runs nearly all fail stops, waits, tries one, and goes on or waits again."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.outsider import eventually
from tests.shop import Handle, Placed, ShopEvents
from toolkit import ConfigurationError, Context, KillSwitch, Reject, Retry, Service
from toolkit.observability.hooks import Hooks
from toolkit.receiving.pump import Pump
from toolkit.receiving.switch import Switch
from toolkit.testing import ServiceHarness
from toolkit.transport.clock import WALL
from toolkit.transport.memory import VirtualClock
from toolkit.transport.memory.clock import let_the_loop_turn

Harness = Callable[..., ServiceHarness]


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


class Obedient:
    """A subscriber that does as it is told."""

    async def suspend(self) -> None: ...

    async def resume(self, *, prefetch: int) -> None: ...


async def test_a_run_from_before_answers_no_probe() -> None:
    """It was under way when the switch tripped, so it says nothing of how things stand now."""
    clock = VirtualClock()
    pump = Pump("shop.handle", cast(Any, None), concurrency=1)
    switch = Switch(SWITCH, "Handle", "shop.handle", prefetch=4, hooks=Hooks(), clock=clock)
    switch.attach(pump, cast(Any, Obedient()))
    for _ in range(SWITCH.minimum):
        switch.note(0, is_failure=True)
    await clock.advance(SWITCH.pause)
    switch.note(0, is_failure=False)
    await let_the_loop_turn()
    assert switch.suspended_since is not None
    switch.note(switch.phase, is_failure=False)
    await let_the_loop_turn()
    assert switch.suspended_since is None


class Stubborn:
    """A subscriber that can't be suspended, and could not know why."""

    async def suspend(self) -> None:
        raise OSError("not today")


async def test_a_switch_that_fails_says_so_and_stays_tripped() -> None:
    """Nobody awaits it; a consumer that takes nothing must not be a riddle."""
    hooks = Hooks()
    pump = Pump("shop.handle", cast(Any, None), concurrency=1)
    switch = Switch(SWITCH, "Handle", "shop.handle", prefetch=4, hooks=hooks, clock=WALL)
    switch.attach(pump, cast(Any, Stubborn()))
    with capture_logs() as logs:
        for _ in range(SWITCH.minimum):
            switch.note(0, is_failure=True)
        await eventually(lambda: not switch.is_busy)
    assert switch.suspended_since is not None
    (told,) = logs
    assert (told["event"], told["queue"]) == ("the kill switch failed", "shop.handle")
    await switch.stop()


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
