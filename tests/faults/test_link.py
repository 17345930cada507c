"""A link that falls silent, idles, or leads nowhere for a while."""

from tests.faults.link import Link
from tests.hostile.shop import OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually


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
