"""A dead letter says what failed, in headers that always fit, and alike for the same fault."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import ConfigurationError, DeadLetters
from toolkit.messages.envelope import Envelope
from toolkit.policies.dead_letter import FaultRecord, error_type, fingerprint, stack_of
from toolkit.transport.rabbitmq.wire import encode_properties

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - any kind of error may be given
        return caught


def record(error: BaseException, **fields: Any) -> FaultRecord:
    usual: dict[str, Any] = {
        "reason": "failed",
        "attempts": 3,
        "first_failed_at": NOON,
        "failed_at": NOON + timedelta(minutes=1),
        "queue": "shop.ship",
        "consumer": "Ship",
        "service": "shop",
        "host": "host-1",
        "original_exchange": "events",
        "original_routing_key": "orders.placed",
    }
    return FaultRecord(error=error, **(usual | fields))


# ---------------------------------------------------------------------------------- the record


def test_a_record_says_everything_about_a_fault() -> None:
    """Every header that the wire format names, and no other."""
    error = raised(ValueError("no such customer"))
    assert record(error).headers() == {
        "dead-reason": "failed",
        "error-type": "ValueError",
        "error-message": "no such customer",
        "error-stack": stack_of(error),
        "error-fingerprint": fingerprint(error),
        "attempts": 3,
        "first-failed-at": "2026-03-01T12:00:00.000+00:00",
        "failed-at": "2026-03-01T12:01:00.000+00:00",
        "failed-queue": "shop.ship",
        "failed-consumer": "Ship",
        "failed-service": "shop",
        "failed-host": "host-1",
        "original-exchange": "events",
        "original-routing-key": "orders.placed",
    }


def test_a_brief_record_leaves_out_only_the_stack() -> None:
    """For messages whose own headers leave little room."""
    error = raised(ValueError("no such customer"))
    assert set(record(error).headers()) - set(record(error).headers(brief=True)) == {"error-stack"}


hostile_text = st.text(st.characters(), min_size=1, max_size=20)  # lone surrogates among them


@given(hostile_text, st.integers(1, 20_000))
def test_a_record_fits_into_12_kb_and_can_be_encoded_whatever_the_error_says(
    text: str, times: int
) -> None:
    """An exception's text can be of any length and hold what UTF-8 can't."""
    headers = record(raised(ValueError(text * times))).headers()
    assert len(encode_properties(Envelope(b"", headers=headers))) < 12_000


@given(hostile_text, st.integers(1, 20_000))
def test_a_brief_record_fits_into_1500_bytes(text: str, times: int) -> None:
    """Names apart it has no long part."""
    headers = record(raised(ValueError(text * times))).headers(brief=True)
    assert len(headers["error-message"].encode()) <= 200
    assert len(encode_properties(Envelope(b"", headers=headers))) < 1_500


class Unprintable(Exception):
    """An error that fails to say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


def test_an_error_that_can_not_be_printed_is_recorded_all_the_same() -> None:
    """Its type is known, and the message isn't lost over its text."""
    headers = record(raised(Unprintable())).headers()
    assert headers["error-type"].endswith(".Unprintable")
    assert isinstance(headers["error-message"], str)


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    """Those say the most."""
    headers = record(raised(ValueError("begun" + "é" * 5_000 + "ended"))).headers()
    said = headers["error-message"]
    assert said.startswith("begun")
    assert said.endswith("ended")
    assert "... cut ..." in said
    assert len(said.encode()) <= 1_000


def test_a_stack_names_the_causes() -> None:
    """As Python prints it, so that the first failure can be found."""
    try:
        try:
            raise ConnectionError("refused")
        except ConnectionError as error:
            raise ValueError("no price") from error
    except ValueError as error:
        stack = stack_of(error)
    assert "ConnectionError: refused" in stack
    assert "direct cause" in stack
    assert stack.endswith("ValueError: no price\n")


def test_an_endless_recursion_keeps_the_frames_where_it_ended() -> None:
    """The stack of a record is bounded, however deep the real one was."""

    def dig(depth: int) -> None:
        if not depth:
            raise ValueError("the bottom")
        dig(depth - 1)

    with pytest.raises(ValueError, match="bottom") as caught:
        dig(500)
    headers = record(caught.value).headers()
    assert headers["error-stack"].count("in dig") <= 30
    assert headers["error-stack"].endswith("ValueError: the bottom\n")


class Nested(Exception):
    """An error with a module."""


@pytest.mark.parametrize(
    ("error", "name"),
    [(KeyError("x"), "KeyError"), (Nested(), "tests.unit.policies.test_dead_letter.Nested")],
)
def test_a_type_is_named_with_its_module_unless_it_is_built_in(error: Exception, name: str) -> None:
    """So that it can be looked for in the code."""
    assert error_type(error) == name


# ---------------------------------------------------------------------------------- fingerprints

Failing = Callable[[str], None]


def written(source: str, *, lines_above: int = 0) -> Failing:
    """The function `fail` of a release whose file looks like this."""
    namespace: dict[str, Any] = {"__name__": "shop.pricing"}
    exec(compile("\n" * lines_above + source, "pricing.py", "exec"), namespace)
    failing: Failing = namespace["fail"]
    return failing


def print_of(fail: Failing, text: str = "") -> str:
    try:
        fail(text)
    except Exception as error:  # noqa: BLE001 - whatever the function fails with
        return fingerprint(error)
    raise AssertionError("it did not fail")


SOURCE = """
def look_up(text):
    raise KeyError(text)

def fail(text):
    look_up(text)
"""


def test_the_same_fault_has_the_same_fingerprint_in_the_next_release() -> None:
    """Line numbers move with every change above them."""
    assert print_of(written(SOURCE)) == print_of(written(SOURCE, lines_above=40))


def test_the_same_fault_has_the_same_fingerprint_for_the_next_customer() -> None:
    """The text of an error names customers, ids and moments."""
    fail = written(SOURCE)
    assert print_of(fail, "customer 1") == print_of(fail, "customer 2")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("KeyError", "ValueError"),
        ("look_up", "look_for"),
        ("    look_up(text)", "    (lambda: look_up(text))()"),
    ],
)
def test_another_type_or_another_way_is_another_fault(old: str, new: str) -> None:
    """What failed and where it was called from make the fingerprint."""
    assert print_of(written(SOURCE)) != print_of(written(SOURCE.replace(old, new)))


def test_a_fingerprint_is_sixteen_hex_digits() -> None:
    """Also for an error that was never raised."""
    assert len(fingerprint(ValueError())) == 16
    assert int(fingerprint(ValueError()), 16) >= 0


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("toolkit.receiving.pipeline", False),
        ("tenacity.asyncio", False),
        ("asyncio.tasks", False),
        ("shop.middleware", True),
        ("asyncio_extras", True),
    ],
)
def test_how_the_handler_was_called_does_not_count(module: str, *, counts: bool) -> None:
    """A first try, a retry and one with a deadline go through other frames of the engine."""
    namespace: dict[str, Any] = {"__name__": module, "fail": written(SOURCE)}
    exec("def call(text): fail(text)", namespace)
    assert (print_of(namespace["call"]) != print_of(written(SOURCE))) is counts


# ---------------------------------------------------------------------------------- the policy


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (DeadLetters(), "kept for ever"),
        (DeadLetters(max_length=1), "kept the last 1"),
        (DeadLetters(retain="14d"), "kept for 14d"),
        (DeadLetters(max_length=100_000), "kept the last 100,000"),
        (DeadLetters(retain="14d", max_length=5), "kept for 14d and the last 5"),
    ],
)
def test_a_policy_says_how_long_dead_letters_are_kept(policy: DeadLetters, sentence: str) -> None:
    """It stands in the log at start-up."""
    assert str(policy) == sentence


def test_every_bad_value_is_listed_at_once() -> None:
    """With the parameter's name."""
    with pytest.raises(ConfigurationError) as caught:
        DeadLetters(retain="for ever", max_length=0)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("retain: 'for ever' is not a duration")
    assert caught.value.problems[1] == "max_length: 0 must be 1 or more"


@pytest.mark.parametrize("retain", ["0s", timedelta(0)])
def test_a_retention_of_nothing_is_refused(retain: str | timedelta) -> None:
    """Every dead letter would be dropped as it comes."""
    with pytest.raises(ConfigurationError, match="retain: must be longer than zero"):
        DeadLetters(retain=retain)


def test_a_retention_is_never_rounded_to_nothing() -> None:
    """Brokers count milliseconds; less than one is refused or is one."""
    with suppress(ConfigurationError):
        policy = DeadLetters(retain=timedelta(microseconds=1))
        assert policy.retain is not None
        assert policy.retain >= timedelta(milliseconds=1)
