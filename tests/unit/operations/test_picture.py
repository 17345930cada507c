"""What is drawn, whatever draws it."""

from tests.unit.operations.market import Bring, Listen, cart, described, drawn, stall
from toolkit import DeadLetters, QueueOptions, Retry
from toolkit.operations.description import Document
from toolkit.operations.picture import Announcement, kept, pace, tries
from toolkit.topology.declarations import Binding


def bring(consumer: Bring) -> Document:
    return described(cart(consumer))["cart"]["consumes"]["cart.bring"]  # type: ignore[no-any-return]


def test_a_message_is_followed_from_who_publishes_it_to_its_dead_letters() -> None:
    """Through the exchange and its queue."""
    picture = drawn()
    assert Announcement("stall", "commands", "cart.deliver", 1) in picture.announcements
    assert Binding("commands", "cart.bring", "cart.deliver") in picture.bindings
    consumer = next(c for band in picture.bands for c in band.consumers if c.name == "Bring")
    assert (consumer.queue, consumer.dead_letters) == ("cart.bring", "cart.bring.dead")


def test_exchanges_that_services_share_are_drawn_once() -> None:
    """Events first; what belongs to one service is in its band."""
    assert drawn().exchanges == (("events", "topic"), ("commands", "direct"))


def test_a_binding_with_a_wildcard_is_reached_by_what_it_matches() -> None:
    """As by the message's own name."""
    picture = drawn()
    sold = next(one for one in picture.announcements if one.name == "stall.sold")
    assert picture.ways(sold) == ("stall.#", "stall.sold")


def test_what_nobody_in_the_picture_publishes_comes_from_others() -> None:
    """A wildcard only if it matches nothing that is published."""
    assert drawn().strangers == (("events", "a<&>b"),)
    alone = drawn(cart(Bring()))
    assert alone.strangers == (("commands", "cart.deliver"),)


def test_rungs_are_in_the_order_of_their_delays() -> None:
    """And not in that of their names; the way back is there with them."""
    consumer = Bring()
    consumer.retry = Retry(after=("2m", "30s", "5s"))
    band = drawn(cart(consumer)).bands[0]
    queues = [rung.queue for rung in band.rungs]
    assert queues == ["cart.delay.5s", "cart.delay.30s", "cart.delay.2m"]
    assert band.way_back == "cart.return"


def test_a_service_without_delays_has_no_rungs() -> None:
    """Nor a way back, nor a park."""
    band = drawn(cart(Listen())).bands[0]
    assert (band.rungs, band.way_back) == ((), None)
    assert [queue for queue, _ in band.others] == ["cart.suspects"]


def test_only_a_consumer_with_delays_leads_to_the_rungs() -> None:
    """Though its neighbour has some."""
    consumers = drawn().bands[0].consumers
    assert {one.name: one.has_delays for one in consumers} == {"Bring": True, Listen.name: False}


def test_a_queue_says_what_is_special_about_it() -> None:
    """In words."""
    consumer = Bring()
    consumer.queue = QueueOptions(
        max_length=1000, max_bytes=2000, ttl="1h", single_active_consumer=True
    )
    assert drawn(cart(consumer)).bands[0].consumers[0].queue_facts == (
        "quorum, unread for 1h at most, 1,000 messages at most, 2,000 bytes at most, "
        "one consumer at a time"
    )


def test_a_consumer_says_how_much_it_does_at_a_time() -> None:
    """With a limit for each run, if there is one."""
    consumer = Bring()
    assert pace(bring(consumer)) == "2 at once, 8 held, 30s each"
    consumer.timeout = None
    assert pace(bring(consumer)) == "2 at once, 8 held"


def test_a_consumer_says_how_it_tries_again() -> None:
    """Jitter as a span."""
    consumer = Bring()
    assert list(tries(bring(consumer))) == ["2 tries in place, 4 in all", "again after 1s"]
    consumer.retry = Retry.exponential(attempts=2, jitter=0.2)
    assert list(tries(bring(consumer))) == [
        "1 try in place, 3 in all",
        "again after 1s to 1s200ms, 2s to 2s400ms",
    ]


def test_a_kill_switch_is_told() -> None:
    """With its share and its pause."""
    told = tries(described(cart(Listen()))["cart"]["consumes"]["ears"])
    assert list(told)[-1] == "pauses 15s when 50% fail"


def test_dead_letters_say_how_long_they_are_kept() -> None:
    """For ever, unless something less was said."""
    consumer = Bring()
    assert kept(bring(consumer)["dead_letters"]) == "kept for ever"
    consumer.dead_letters = DeadLetters(retain="7d", max_length=1000)
    assert kept(bring(consumer)["dead_letters"]) == "kept for 7d and the last 1,000"


def test_a_service_that_only_publishes_has_nothing_on_the_broker_of_its_own() -> None:
    """Its band is empty."""
    band = drawn(stall()).bands[0]
    assert (band.consumers, band.rungs, band.others) == ((), (), ())
