"""The retry policy: pure decisions about failures, and numbers that make sense or are refused."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.orders import OrderPlaced
from toolkit import (
    ConfigurationError,
    ContractError,
    Discard,
    MessageTooLargeError,
    Reject,
    Retry,
    RetryAfter,
    UndecodableError,
)
from toolkit.policies.outcome import DeadLetter, Discarded, RetryLater


def seconds(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=number) for number in numbers)


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        OrderPlaced.model_validate({})
    return caught.value


PERMANENT = [
    invalid(),
    ContractError("no such message"),
    UndecodableError("not json"),
    NotImplementedError("later"),
    MessageTooLargeError("too large", exchange="events", routing_key="orders.placed"),
]


class PaymentError(Exception):
    """A failure of the user's own."""


class CardExpired(PaymentError):
    """A failure that no other try can mend."""


# ---------------------------------------------------------------------------------- budgets


def test_each_delay_is_one_more_round() -> None:
    """A failing message waits for each delay in turn, and is given up after the last."""
    policy = Retry(after=("1s", "5s"))
    error = PaymentError()
    assert policy.decide(error, rounds=0) == RetryLater(timedelta(seconds=1), error)
    assert policy.decide(error, rounds=1) == RetryLater(timedelta(seconds=5), error)
    assert policy.decide(error, rounds=2) == DeadLetter("failed", error)


policies = st.one_of(
    st.builds(
        Retry,
        immediately=st.integers(0, 5),
        after=st.lists(st.sampled_from(["100ms", "1s", "1m"]), max_size=5).map(tuple),
    ),
    st.builds(
        Retry.exponential,
        immediately=st.integers(0, 5),
        attempts=st.integers(0, 8),
        jitter=st.floats(0, 1),
    ),
)


@given(policies, st.integers(0, 2**32))
def test_a_message_that_always_fails_is_tried_as_often_as_the_policy_says(
    policy: Retry, salt: int
) -> None:
    """`most_tries` is no estimate: the budget is used up to the last try, then it ends."""
    tries, rounds = 0, 0
    while True:
        tries += 1 + policy.immediately
        outcome = policy.decide(PaymentError(), rounds=rounds, salt=salt)
        if not isinstance(outcome, RetryLater):
            break
        rounds += 1
    assert tries == policy.most_tries
    assert isinstance(outcome, DeadLetter)


@given(policies, st.integers(0, 10), st.integers(0, 2**32))
def test_every_delay_on_the_broker_has_its_rung(policy: Retry, rounds: int, salt: int) -> None:
    """What is decided can be carried out with the queues that were declared."""
    outcome = policy.decide(PaymentError(), rounds=rounds, salt=salt)
    if isinstance(outcome, RetryLater) and outcome.delay >= timedelta(seconds=1):
        assert outcome.delay in policy.rungs


@pytest.mark.parametrize(
    ("policy", "rungs"),
    [
        (Retry(after=()), ()),
        (Retry(after=("5s", "1s", "5s")), seconds(1, 5)),
        (Retry(after=("100ms", "5s")), seconds(5)),
        (Retry(after=("100ms",)), seconds(1)),
        (Retry(after="30s"), seconds(30)),
        (Retry(after=timedelta(minutes=1)), seconds(60)),
        (Retry.exponential(attempts=3, jitter=0.5), seconds(1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6)),
    ],
)
def test_rungs_are_the_delays_that_wait_on_the_broker(
    policy: Retry, rungs: tuple[timedelta, ...]
) -> None:
    """Each once, shortest first; delays under a second are waited for in place."""
    assert policy.rungs == rungs


# ---------------------------------------------------------------------------------- which errors


def test_only_what_was_asked_for_is_retried() -> None:
    """`on` names the errors that another try can mend; all others are given up at once."""
    policy = Retry(on=(ConnectionError, TimeoutError))
    assert policy.is_retryable(ConnectionResetError())
    assert not policy.is_retryable(PaymentError())
    assert isinstance(policy.decide(PaymentError(), rounds=0), DeadLetter)


def test_never_wins_over_on() -> None:
    """A subclass can be left out of what is retried."""
    policy = Retry(on=(PaymentError,), never=(CardExpired,))
    assert policy.is_retryable(PaymentError())
    assert not policy.is_retryable(CardExpired())


@pytest.mark.parametrize("error", PERMANENT, ids=lambda error: type(error).__name__)
def test_an_error_that_time_does_not_mend_is_retried_only_when_asked(error: Exception) -> None:
    """Also where `on` covers it without naming it; naming its very class is asking."""
    assert not Retry().is_retryable(error)
    assert not Retry(on=(Exception, PaymentError)).is_retryable(error)
    assert Retry(on=(type(error),)).is_retryable(error)


class PriceMissing(NotImplementedError):
    """A permanent error of the user's own."""


def test_asking_for_a_subclass_of_a_permanent_error_asks_for_that_one_only() -> None:
    """What `on` names is retried, what it doesn't name is not."""
    policy = Retry(on=(Exception, PriceMissing))
    assert policy.is_retryable(PriceMissing())
    assert not policy.is_retryable(NotImplementedError())


@pytest.mark.parametrize(
    ("errors", "is_retryable"),
    [
        ([PaymentError(), OSError()], True),
        ([PaymentError(), CardExpired()], False),
        ([PaymentError(), ExceptionGroup("inner", [CardExpired()])], False),
        ([PaymentError(), ContractError()], False),
        ([PaymentError(), Reject("no")], False),
        ([ExceptionGroup("inner", [Discard("seen")])], False),
    ],
)
def test_a_group_is_retried_only_if_every_error_in_it_may_be(
    errors: list[Exception], *, is_retryable: bool
) -> None:
    """A task group in a handler hides nothing from the policy."""
    policy = Retry(never=(CardExpired,))
    assert policy.is_retryable(ExceptionGroup("several", errors)) is is_retryable


def test_a_group_that_has_an_error_nobody_asked_for_is_given_up() -> None:
    """All of it must be covered by `on`."""
    policy = Retry(on=(PaymentError,))
    assert policy.is_retryable(ExceptionGroup("", [PaymentError(), CardExpired()]))
    assert not policy.is_retryable(ExceptionGroup("", [PaymentError(), OSError()]))


def test_a_cancellation_is_no_failure_to_retry() -> None:
    """What isn't an `Exception` is retried only when asked."""
    assert not Retry().is_retryable(KeyboardInterrupt())


# ---------------------------------------------------------------------------------- verdicts


def test_a_handler_that_rejects_has_decided() -> None:
    """The message is dead-lettered at once, as rejected, with the handler's error."""
    verdict = Reject("no such customer")
    assert Retry().decide(verdict, rounds=0) == DeadLetter("rejected", verdict)


def test_a_handler_that_discards_has_decided() -> None:
    """The message is dropped, with the handler's reason."""
    assert Retry().decide(Discard("seen before"), rounds=0) == Discarded("seen before")


def test_a_handler_may_choose_the_delay_but_not_the_budget() -> None:
    """`RetryAfter` waits as long as it says, and counts like any other delayed try."""
    verdict = RetryAfter("45s")
    policy = Retry(after=("1s", "5s"))
    assert policy.decide(verdict, rounds=1) == RetryLater(timedelta(seconds=45), verdict)
    assert policy.decide(verdict, rounds=2) == DeadLetter("failed", verdict)


@pytest.mark.parametrize("verdict", [Reject("no"), Discard("seen"), RetryAfter("1s")])
def test_a_verdict_is_never_tried_again_in_place(verdict: Exception) -> None:
    """It is no failure, and it counts the same if it comes out of a task group."""
    policy = Retry(on=(Exception,))
    assert not policy.is_retryable(verdict)
    grouped = ExceptionGroup("from a task group", [verdict])
    assert policy.decide(grouped, rounds=0) == policy.decide(verdict, rounds=0)


# ---------------------------------------------------------------------------------- the sentence


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (Retry(), "3 tries in place; again after 1s, 5s, 30s, 2m; 15 at most"),
        (Retry(immediately=0, after=("1m30s",)), "1 try in place; again after 1m30s; 2 at most"),
        (Retry(immediately=0, after=()), "1 try in place; 1 at most"),
        (Retry.exponential(attempts=3), "1 try in place; again after 1s, 2s, 4s; 4 at most"),
        (
            Retry.exponential(attempts=2, jitter=0.5),
            "1 try in place; again after 1s-1s500ms, 2s-3s; 3 at most",
        ),
    ],
)
def test_a_policy_says_in_numbers_what_it_will_do(policy: Retry, sentence: str) -> None:
    """It stands in the log at start-up."""
    assert str(policy) == sentence


# ---------------------------------------------------------------------------------- bad numbers


def test_every_bad_value_is_listed_at_once() -> None:
    """Nobody has to start five times to find five mistakes."""
    wrong: Any = {"on": ("OSError",), "never": (3,)}
    with pytest.raises(ConfigurationError) as caught:
        Retry(immediately=-1, after=("5", "soon", "1s"), **wrong)
    named = [problem.partition(":")[0] for problem in caught.value.problems]
    assert named == ["after", "after", "immediately", "on", "never"]


def test_every_bad_number_of_a_backoff_is_listed_at_once() -> None:
    """Each with the name of its parameter."""
    with pytest.raises(ConfigurationError) as caught:
        Retry.exponential(first="x", factor=0.5, cap="y", attempts=-1, jitter=2, immediately=-1)
    text = str(caught.value)
    for said in ("factor: 0.5", "jitter: 2", "attempts: -1", "'x'", "'y'", "immediately: -1"):
        assert said in text


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e300, 1_001, 0.99, -2.0])
def test_a_factor_that_leads_nowhere_is_refused(factor: float) -> None:
    """As a problem of the configuration, not as an overflow in the middle of it."""
    with pytest.raises(ConfigurationError, match="factor"):
        Retry.exponential(factor=factor)


def test_a_first_delay_of_nothing_is_refused() -> None:
    """No factor would make more of it."""
    with pytest.raises(ConfigurationError, match="first: must be longer than zero"):
        Retry.exponential(first="0s")


def test_a_budget_without_end_is_refused() -> None:
    """A thousand tries for one message are enough."""
    with pytest.raises(ConfigurationError, match="more than 1000 tries"):
        Retry(immediately=500, after=("1s",))
    assert Retry(immediately=499, after=("1s",)).most_tries == 1000


def test_a_single_class_of_errors_needs_no_brackets() -> None:
    """It can only mean one thing."""
    slip: Any = {"on": OSError, "never": [TimeoutError]}
    assert Retry(**slip) == Retry(on=(OSError,), never=(TimeoutError,))


def test_policies_that_say_the_same_are_equal() -> None:
    """They are values, and can't be changed."""
    assert Retry(after=("90s",)) == Retry(after=("1m30s",))
    with pytest.raises(AttributeError):
        Retry().immediately = 5  # type: ignore[misc]
