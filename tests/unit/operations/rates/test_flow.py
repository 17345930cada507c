"""From counters to rates, time to drain, and consumers that are missing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations.rates.api import NOW, STEP, details, even, queue
from toolkit.operations.rates import Flow, History, Sample, flow_of
from toolkit.operations.rates.flow import more_consumers
from toolkit.operations.rates.history import history_of

RATES = st.floats(0, 1000)


def flow(said: dict[str, Any], *, concurrency: int | None = 1, within: float = 600.0) -> Flow:
    """Of one queue, as it was shown."""
    return flow_of(history_of(said), now=NOW, within=within, concurrency=concurrency)


def growing(arrivals: float, completions: float, *, begin: float = 10_000, **more: Any) -> Flow:
    """A backlog of that many a minute ago, that one consumer works on."""
    return flow(
        queue(
            publish=even(arrivals, begin=20_000),
            ack=even(completions, begin=10_000),
            length=even(arrivals - completions, begin=begin),
            unacked=even(0, begin=1),
            **more,
        )
    )


def test_rates_are_differences_of_counters_over_their_own_time() -> None:
    """P, C, Q and the drain time, and over how long they were measured."""
    found = growing(20, 60)
    assert (found.arrivals, found.completions, found.throughput) == (20, 60, 20)
    assert found.measured_over == 60
    assert found.backlog == 10_000 - 40 * 60
    assert found.verdict == "draining"
    assert found.drains_in == pytest.approx(7600 / 40)


@pytest.mark.parametrize(("arrivals", "completions"), [(60, 60), (90, 60), (1, 0)])
def test_a_backlog_never_ends_where_no_more_goes_than_comes(
    arrivals: float, completions: float
) -> None:
    """C <= P, with thousands waiting."""
    found = growing(arrivals, completions)
    assert (found.verdict, found.drains_in) == ("never", None)


def test_a_queue_that_keeps_up_is_not_never_drained() -> None:
    """C is what came in there, not what could be done: C <= P means nothing."""
    found = flow(
        queue(
            publish=even(60, begin=1000),
            ack=even(59.9, begin=1000),
            length=lambda s: 3 + s % 2,
            unacked=even(0, begin=4),
        ),
        concurrency=4,
    )
    assert (found.verdict, found.more) == ("keeping up", 0)


def test_a_short_queue_that_ran_dry_meanwhile_is_chance() -> None:
    """Twelve wait now, none did ten seconds ago, and thousands went through."""
    found = flow(
        queue(
            publish=even(60, begin=1000),
            ack=even(59.8, begin=1000),
            length=lambda s: 13 if s > 55 else 1,
            unacked=even(0, begin=1),
        )
    )
    assert found.verdict == "keeping up"


def test_a_burst_after_a_quiet_time_is_a_backlog() -> None:
    """It ran dry meanwhile, but such a rise is no chance."""
    found = flow(
        queue(
            publish=lambda s: 1000 + (10_000 if s > 55 else 0),
            ack=even(10, begin=1000),
            length=lambda s: 9_400 if s > 55 else 0,
            unacked=even(0, begin=1),
        )
    )
    assert found.verdict == "never"


def test_what_waits_in_a_prefetch_is_backlog() -> None:
    """Nothing is ready, but of 200 unacked only four are being handled."""
    said = queue(
        publish=even(1, begin=1000),
        ack=even(4, begin=100),
        length=even(-3, begin=380),
        unacked=even(-3, begin=380),
    )
    found = flow(said, concurrency=4)
    assert (found.ready, found.backlog, found.verdict) == (0, 200, "draining")


def test_handlers_of_unknown_number_are_not_said_to_be_behind() -> None:
    """Of a stranger nobody knows how many messages it handles at once: it may be all it has."""
    said = queue(
        publish=even(10, begin=1000),
        ack=even(10, begin=900),
        length=even(0, begin=50),
        unacked=even(0, begin=50),
    )
    assert flow(said, concurrency=None).verdict == "keeping up"


def test_a_backlog_that_nobody_consumes_is_never_drained() -> None:
    """However small, and though nothing comes: a dead-letter queue, say."""
    found = flow(queue(length=even(0, begin=3), consumers=0), concurrency=None)
    assert (found.verdict, found.more) == ("never", None)


def test_a_few_that_came_after_the_last_consumer_went_are_a_backlog() -> None:
    """It ran dry meanwhile, and three are as few as chance, but nobody keeps up."""
    three = queue(
        publish=lambda s: 1003 if s > 40 else 1000,
        length=lambda s: 3 if s > 40 else 0,
        consumers=0,
    )
    assert flow(three).verdict == "never"


def test_an_empty_queue_without_traffic_is_idle() -> None:
    """With or without a consumer."""
    assert flow(queue()).verdict == "idle"
    assert flow(queue(consumers=0)).verdict == "idle"


def test_what_comes_back_from_a_delay_counts_as_coming_in() -> None:
    """The broker dead-letters it into the queue, and counts no publish."""
    found = flow(
        queue(
            publish=even(40, begin=1000),
            ack=even(36, begin=1000),
            length=even(24, begin=500),
            unacked=even(0, begin=1),
        )
    )
    assert found.otherwise == pytest.approx(20, abs=0.5)
    assert found.arrivals == pytest.approx(60, abs=0.5)
    assert found.verdict == "never"


def test_what_expires_leaves_without_an_ack() -> None:
    """It is no work done, but it drains the queue."""
    found = flow(
        queue(
            publish=even(50, begin=1000),
            ack=even(10, begin=1000),
            length=even(-60, begin=10_000),
            unacked=even(0, begin=1),
        )
    )
    assert found.completions == 10
    assert found.otherwise == pytest.approx(-100, abs=0.5)
    assert found.drains_in == pytest.approx(6400 / 60, rel=0.02)


def test_counters_and_levels_of_another_moment_differ_by_chance() -> None:
    """Less than three times what Poisson streams vary within ten seconds is nothing."""
    found = growing(100, 100, begin=500)
    shifted = flow(
        queue(
            publish=even(100, begin=1000),
            ack=even(100, begin=500),
            length=lambda s: 500 + (80 if s > 55 else 0),
            unacked=even(0, begin=1),
        )
    )
    assert found.otherwise == shifted.otherwise == 0


def test_what_is_given_without_an_ack_is_done() -> None:
    """Consumers with no_ack, and basic.get with it, have no other end."""
    said = queue(publish=even(30, begin=1000), ack=even(10, begin=100))
    said["message_stats"] |= details("deliver_no_ack", [n * STEP * 15 for n in range(13)])
    said["message_stats"] |= details("get_no_ack", [n * STEP * 5 for n in range(13)])
    assert flow(said).completions == 30


def test_the_time_before_a_queue_was_there_does_not_thin_its_rates() -> None:
    """The broker shows zeros for it."""
    found = flow(
        queue(
            publish=lambda s: max(0.0, 50 * (s - 30)),
            ack=lambda s: max(0.0, 20 * (s - 30)),
            length=lambda s: max(0.0, 30 * (s - 30)),
            unacked=lambda s: 1 if s > 30 else 0,
        )
    )
    assert (found.arrivals, found.completions, found.measured_over) == (50, 20, 25)
    assert found.growth == 30


def test_a_counter_that_was_begun_again_is_read_from_there() -> None:
    """A queue whose leader has moved counts from nothing."""
    found = flow(
        queue(
            publish=lambda s: 90_000 + 10 * s if s < 30 else 10 * (s - 30),
            ack=even(10, begin=5),
            length=even(0, begin=100),
        )
    )
    assert (found.arrivals, found.measured_over) == (10, 30)


@pytest.mark.parametrize("without", ["message_stats", "messages_details"])
def test_a_queue_of_which_nothing_was_counted_yet_shows_what_is_known(without: str) -> None:
    """New ones have no figures for some seconds; others never had a message."""
    said = queue(length=even(0, begin=7))
    del said[without]
    found = flow(said)
    assert (found.backlog, found.consumers) == (7, 1)
    assert found.verdict in ("never", "unknown")


def test_a_queue_without_any_figure_is_unknown() -> None:
    """As the API shows it in its first seconds."""
    found = flow_of(history_of({"name": "new", "type": "quorum"}), now=NOW, within=600)
    assert (found.verdict, found.ready, found.arrivals, found.more) == ("unknown", None, None, None)


def test_the_service_time_of_busy_handlers_is_theirs() -> None:
    """Four times two are busy, so S = 8/C; what is unacked beyond that waits in a prefetch."""
    found = flow(
        queue(
            publish=even(200, begin=20_000),
            ack=even(80, begin=10_000),
            length=even(120, begin=5_000),
            unacked=even(0, begin=40),
            consumers=2,
        ),
        concurrency=4,
    )
    assert found.service == pytest.approx(0.1)


def test_the_service_time_of_idle_handlers_is_measured_too() -> None:
    """Little's law on those that have a message: two of eight, on average."""
    found = flow(
        queue(
            publish=even(20, begin=1000),
            ack=even(20, begin=1000),
            length=lambda s: 1 if s % 10 else 3,
            unacked=lambda s: 1 if s % 10 else 3,
        ),
        concurrency=8,
    )
    assert found.service == pytest.approx(2 / 20, rel=0.1)


def test_so_many_more_consumers_drain_a_backlog_in_time() -> None:
    """100 come, two get 80 done; 12,200 in ten minutes are another 20.3 a second."""
    found = flow(
        queue(
            publish=even(100, begin=20_000),
            ack=even(80, begin=10_000),
            length=even(20, begin=11_000),
            unacked=even(0, begin=8),
            consumers=2,
        ),
        concurrency=4,
    )
    assert found.backlog == 12_200
    assert found.more == 2  # (100 + 12200/600) / 40 = 3.01
    assert found.service == pytest.approx(0.1)


def test_consumers_that_are_behind_are_counted_on_for_what_they_do() -> None:
    """Twenty handlers were declared, but only three are ever busy: another release is running."""
    said = queue(
        publish=even(90, begin=20_000),
        ack=even(54, begin=10_000),
        length=even(36, begin=700),
        unacked=even(0, begin=3),
    )
    found = flow(said, concurrency=20)
    assert (found.verdict, found.more) == ("never", 1)


def test_a_level_that_is_only_that_of_before_is_not_counted() -> None:
    """The API names a time that has only begun, and repeats the figure until the queue tells."""
    said = queue(
        publish=even(90, begin=20_000),
        ack=even(60, begin=10_000),
        length=even(30, begin=700),
        unacked=even(0, begin=3),
    )
    for name in ("messages", "messages_unacknowledged"):
        samples = said[f"{name}_details"]["samples"]
        again = {"sample": samples[0]["sample"], "timestamp": samples[0]["timestamp"] + STEP * 1000}
        said[f"{name}_details"]["samples"] = [again, *samples[:-1]]
    found = flow(said)
    assert (found.growth, found.otherwise) == (30, 0)


def test_more_consumers_are_no_help_where_only_one_is_active() -> None:
    """The others stand by: nothing is promised."""
    found = growing(20, 10, arguments={"x-single-active-consumer": True}, consumers=3)
    assert found.service == pytest.approx(0.1)
    assert found.more is None


@given(RATES, st.floats(0.001, 10), st.integers(1, 100), st.floats(0, 1000))
def test_a_higher_rate_never_needs_fewer_consumers(
    rate: float, each: float, have: int, on_top: float
) -> None:
    """And what they can do is at least what is asked."""
    more = more_consumers(rate, each, have=have)
    assert more_consumers(rate + on_top, each, have=have) >= more
    assert (have + more) / each >= rate * (1 - 1e-6)


@given(RATES, RATES, st.integers(0, 100_000))
def test_a_verdict_fits_its_figures(arrivals: float, completions: float, begin: int) -> None:
    """Whatever the rates are."""
    found = growing(arrivals, completions, begin=begin + max(0, completions - arrivals) * 60)
    assert (found.drains_in is not None) == (found.verdict == "draining")
    assert found.drains_in is None or found.drains_in > 0
    assert found.age is None or found.age >= 0


def test_the_oldest_is_as_old_as_the_broker_says() -> None:
    """Where a classic queue knows its timestamp."""
    found = growing(20, 10, head_message_timestamp=int(NOW) - 90)
    assert (found.age, found.age_basis) == (90, "timestamp")


def test_the_oldest_came_in_before_as_many_as_are_there() -> None:
    """300 wait and 20 come a second: 15 seconds, by the counters of that time."""
    found = growing(20, 10, begin=-300)
    assert (found.backlog, found.age_basis) == (300, "counted")
    assert found.age == pytest.approx(15)


def test_an_age_beyond_the_window_is_estimated() -> None:
    """As if messages had always come as they do now."""
    found = growing(20, 10)
    assert found.age == pytest.approx(10_600 / 20)
    assert found.age_basis == "estimated"


def test_where_nothing_comes_the_oldest_is_older_than_the_window() -> None:
    """More can't be said."""
    found = flow(queue(length=even(0, begin=5), consumers=0))
    assert (found.age, found.age_basis) == (60, "at least")


def over_amqp(*ready: int, consumers: int = 1) -> Flow:
    """Counted by ourselves, each ten seconds."""
    lengths = tuple(Sample(10.0 * n, count) for n, count in enumerate(ready))
    history = History(queue="q", consumers=consumers, ready=ready[-1], lengths=lengths)
    return flow_of(history, now=NOW, within=600, concurrency=4)


@pytest.mark.parametrize(
    ("ready", "verdict", "drains_in"),
    [
        ((1000, 900, 800), "draining", 80),
        ((800, 900, 1000), "never", None),
        ((800, 800), "never", None),
        ((3, 0), "keeping up", None),
        ((500,), "unknown", None),
    ],
)
def test_over_amqp_alone_growth_says_whether_a_backlog_ends(
    ready: tuple[int, ...], verdict: str, drains_in: float | None
) -> None:
    """P - C is known, though neither is."""
    found = over_amqp(*ready)
    assert (found.verdict, found.drains_in) == (verdict, drains_in)
    assert (found.arrivals, found.completions, found.service, found.more) == (
        None,
        None,
        None,
        0 if verdict == "keeping up" else None,
    )
