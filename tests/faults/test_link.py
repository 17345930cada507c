"""A link that falls silent, idles, or leads nowhere for a while."""

from tests.faults.link import Link
from tests.hostile.shop import OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually


async def test_a_frozen_link_is_given_up_after_two_heartbeats(amqp_url: str) -> None:
    """Both connections, which aiormq alone would keep for nine seconds, are replaced."""
    async with (
        Link.to(amqp_url) as link,
        shop_service(link.url, take := Take(), producers=[Orders], heartbeat="2s") as service,
    ):
        frozen = link.freeze()
        await eventually(lambda: all(strand.was_left.is_set() for strand in frozen), within=6)
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == [1])
    assert len(frozen) == 2


async def test_a_link_that_merely_idles_is_kept(amqp_url: str) -> None:
    """Nothing but heartbeats for some time, and the connections are those of the beginning."""
    async with Link.to(amqp_url) as link, shop_service(link.url, Take(), heartbeat="1s"):
        before = link.strands
        await eventually(lambda: all(strand.heartbeats > 8 for strand in before), within=20)
        assert set(link.strands) == set(before)


async def test_a_broker_that_is_away_is_asked_again_every_second(amqp_url: str) -> None:
    """However long it has been away: after two dozen tries it is not kept waiting longer than
    after the first.
    """
    async with (
        Link.to(amqp_url) as link,
        shop_service(link.url, take := Take(), producers=[Orders]) as service,
    ):
        link.refuse()
        await eventually(lambda: link.refused > 24, within=20)
        link.accept()
        await eventually(lambda: not service.missing, within=5)
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == [1])
