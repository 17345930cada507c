"""What can't be safe is refused in a sentence, and nothing is changed; what goes wrong in the
middle leaves everything where the sentence says.
"""

from datetime import timedelta

import pytest

from tests.operations.topology.place import ASIDE, NEW, OLD, QUEUE, Place
from tests.outsider import eventually
from tests.shop import Gate, Placed, ShopEvents
from toolkit import DeadLetters, QueueOptions
from toolkit.operations.address import Address
from toolkit.operations.management import NoManagementError
from toolkit.operations.topology.broker import Broker, reached
from toolkit.operations.topology.live import live_of
from toolkit.operations.topology.migration import (
    GivenUpError,
    Migration,
    Pace,
    UnsafeError,
    Watching,
)
from toolkit.transport.rabbitmq.alteration import OccupiedError

AT_REST = Pace(quiet=timedelta(seconds=1))


async def _with_old_queue(place: Place, *numbers: int) -> None:
    async with place.release(OLD):
        pass
    if numbers:
        await place.publish(numbers)


async def _migrate(
    place: Place, broker: Broker, *, pace: Pace = AT_REST, watching: Watching | None = None
) -> None:
    declared = broker.declared([place.release(NEW)])
    await Migration(broker, declared, QUEUE, pace=pace, watching=watching).run()


async def test_a_queue_that_nobody_declares_is_not_migrated(place: Place, broker: Broker) -> None:
    """The sentence says which there are."""
    declared = broker.declared([place.release(NEW)])
    with pytest.raises(UnsafeError, match=r"none of these services declares it.*shop\.handle"):
        await Migration(broker, declared, "shop.hnadle").run()


async def test_a_queue_that_is_not_there_is_not_migrated(place: Place, broker: Broker) -> None:
    """There is a command for that."""
    with pytest.raises(UnsafeError, match="toolkit topology apply"):
        await _migrate(place, broker)
    assert place.virtual_host.everything() == [
        one for one in place.virtual_host.everything() if "shop" not in str(one)
    ]


async def test_what_can_not_be_taken_out_is_refused(place: Place, broker: Broker) -> None:
    """A stream keeps what is read."""
    place.virtual_host.add_queue(QUEUE, x_queue_type="stream")
    with pytest.raises(UnsafeError, match="it is a stream queue"):
        await _migrate(place, broker)


async def test_a_migration_to_other_arguments_has_to_be_finished_first(
    place: Place, broker: Broker
) -> None:
    """What was kept aside for one release isn't taken for another's; it can be taken back."""
    await _with_old_queue(place)
    place.virtual_host.add_queue(ASIDE, x_queue_type="quorum", x_max_length=3)
    place.put(ASIDE, b"kept aside")
    with pytest.raises(UnsafeError, match="left of a migration to other arguments"):
        await _migrate(place, broker)
    declared = broker.declared([place.release(NEW)])
    await Migration(broker, declared, QUEUE, pace=AT_REST).run(undo=True)
    assert [message.body for message in place.taken(QUEUE)] == [b"kept aside"]


async def test_more_than_the_new_queue_takes_is_refused(place: Place, broker: Broker) -> None:
    """It would refuse the rest in the middle."""
    await _with_old_queue(place, *range(5))
    before = place.virtual_host.everything()
    declared = broker.declared([place.release(QueueOptions(max_length=3))])

    async def has_counted() -> bool:
        return (await live_of(broker.api)).queues[QUEUE].ready == 5

    await eventually(has_counted, within=20)
    with pytest.raises(UnsafeError, match="it holds 5 messages, and is declared to take 3"):
        await Migration(broker, declared, QUEUE).run()
    assert place.virtual_host.everything() == before


async def test_a_user_who_may_not_is_told_what_is_lacking(place: Place) -> None:
    """All of it, before anything is changed."""
    await _with_old_queue(place)
    before = place.virtual_host.everything()
    url = place.virtual_host.url_for(configure="^shop\\.handle$")
    place.virtual_host.let_manage(url)
    async with reached(Address(url, "a test", place.management_url)) as broker:
        with pytest.raises(
            UnsafeError, match=r"lacks `configure` on queue 'shop\.handle\.migrating'"
        ):
            await _migrate(place, broker)
    assert place.virtual_host.everything() == before


async def test_without_the_management_api_nothing_is_migrated(place: Place) -> None:
    """It alone knows strangers' bindings, and what consumers hold."""
    await _with_old_queue(place)
    async with reached(Address(place.url, "a test", "http://127.0.0.1:9")) as broker:
        with pytest.raises(NoManagementError, match="rabbitmq-plugins enable"):
            await _migrate(place, broker)


async def test_dead_letters_are_not_migrated_while_their_consumers_run(
    place: Place, broker: Broker
) -> None:
    """They come by the queue's name. Once nobody consumes they are, with what is in them."""
    keep = DeadLetters(retain="7d")
    declared = broker.declared([place.release(OLD, dead_letters=keep)])
    dead = "shop.handle.dead"
    async with place.release(OLD):

        async def is_counted() -> bool:
            return (await live_of(broker.api)).queues[QUEUE].consumers == 1

        await eventually(is_counted, within=20)
        with pytest.raises(
            UnsafeError, match=r"by its name from the 1 consumers of 'shop\.handle'"
        ):
            await Migration(broker, declared, dead, pace=AT_REST).run()

    async def is_left() -> bool:
        return (await live_of(broker.api)).queues[QUEUE].consumers == 0

    await eventually(is_left, within=20)
    report = await Migration(broker, declared, dead, pace=AT_REST).run()
    assert report.changed == [
        "queue 'shop.handle.dead': x-message-ttl should be 604800000, the broker has nothing"
    ]


async def test_a_policy_that_drops_messages_stands_in_the_way(place: Place, broker: Broker) -> None:
    """If it matches the queue that would keep them."""
    await _with_old_queue(place, 1)
    before = place.virtual_host.everything()
    place.virtual_host.add_policy("short", "migrating$", {"expires": 60_000})
    with pytest.raises(UnsafeError, match="expires=60000"):
        await _migrate(place, broker)
    assert place.virtual_host.everything() == before


async def test_two_at_once_are_one_too_many(place: Place, broker: Broker) -> None:
    """The second is told so, and does nothing."""
    await _with_old_queue(place, 1)
    async with (
        reached(Address(place.url, "a test", place.management_url)) as other,
        other.amqp.occupied(f"{ASIDE}.lock"),
    ):
        with pytest.raises(OccupiedError, match="somebody else is at it"):
            await _migrate(place, broker)
    assert place.virtual_host.messages(QUEUE) == 1


@pytest.mark.slow
async def test_a_message_that_is_held_too_long_sends_everything_back(
    place: Place, broker: Broker
) -> None:
    """Were the queue deleted, a consumer that gives it back would lose it."""
    gate = Gate()
    async with place.release(OLD, gate) as service, place.till() as till:
        await ShopEvents(till).placed(Placed(number=1))
        await gate.entered.acquire()
        before = place.virtual_host.everything()
        pace = Pace(patience=timedelta(seconds=1))
        with pytest.raises(UnsafeError, match=r"1 messages of 'shop\.handle' are still held"):
            await _migrate(place, broker, pace=pace)
        assert place.virtual_host.everything() == before
        gate.is_open.set()
        await ShopEvents(till).placed(Placed(number=2))
        await gate.entered.acquire()
        assert service.missing == ()


async def test_a_queue_that_vanishes_meanwhile_is_made_by_the_next_run(
    place: Place, broker: Broker
) -> None:
    """With its bindings, which the queue that keeps its messages has."""
    await _with_old_queue(place, 1, 2)

    def vanish(step: int, _: str) -> None:
        if step == 2:
            place.virtual_host.delete_queue(QUEUE)

    with pytest.raises(GivenUpError, match=r"'shop\.handle' has vanished"):
        await _migrate(place, broker, watching=Watching(say=vanish))
    await _migrate(place, broker)
    await place.publish([3])
    assert [message.body for message in place.taken(QUEUE)] == [
        b'{"number":%d}' % number for number in (1, 2, 3)
    ]


async def test_where_the_kept_messages_vanish_the_queue_is_bound_again(
    place: Place, broker: Broker
) -> None:
    """What was in them somebody has deleted; what comes next is not lost too."""
    await _with_old_queue(place)

    def vanish(step: int, _: str) -> None:
        if step == 2:
            place.virtual_host.delete_queue(ASIDE)

    with pytest.raises(GivenUpError, match=r"'shop\.handle\.migrating' has vanished"):
        await _migrate(place, broker, watching=Watching(say=vanish))
    await place.publish([3])
    assert len(place.taken(QUEUE)) == 1


async def test_a_migration_is_taken_back(place: Place, broker: Broker) -> None:
    """Until the queue is replaced, everything can be as it was."""
    await _with_old_queue(place, *range(5))
    before = place.virtual_host.everything()

    def stop(step: int, _: str) -> None:
        if step == 2:
            raise InterruptedError

    declared = broker.declared([place.release(NEW)])
    with pytest.raises(InterruptedError):
        await _migrate(place, broker, watching=Watching(say=stop))
    await place.publish([5])
    report = await Migration(broker, declared, QUEUE, pace=AT_REST).run(undo=True)
    assert report.is_undone
    assert place.virtual_host.everything() == before
    assert sorted(message.body for message in place.taken(QUEUE)) == [
        b'{"number":%d}' % number for number in range(6)
    ]
