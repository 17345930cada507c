"""Names on the broker, as semantics.md says them."""

from datetime import timedelta

import pytest

from toolkit.topology import naming


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("SendConfirmation", "send-confirmation"),
        ("SendConfirmationConsumer", "send-confirmation"),
        ("SendHTTPConsumer", "send-http"),
        ("HTTPServer", "http-server"),
        ("OrderV2", "order-v2"),
        ("Order2Ship", "order2-ship"),
        ("Send_Email", "send-email"),
        ("send_email", "send-email"),
        ("_Private", "private"),
        ("Ship", "ship"),
        ("A", "a"),
        ("ConsumerOfThings", "consumer-of-things"),
        ("Consumer", "consumer"),
    ],
)
def test_a_class_is_named_in_kebab_case_without_consumer(class_name: str, name: str) -> None:
    """Words as people see them, abbreviations in one piece."""
    assert naming.kebab(class_name) == name


def test_names_follow_from_the_service_and_the_consumer() -> None:
    """All of the table, built in one place."""
    queue = naming.consumer_queue("notifications", "SendConfirmationConsumer")
    assert queue == "notifications.send-confirmation"
    assert naming.dead_letter_queue(queue) == "notifications.send-confirmation.dead"
    assert naming.rung("notifications", timedelta(seconds=90)) == "notifications.delay.1m30s"
    assert naming.return_exchange("notifications") == "notifications.return"
    assert naming.parked_queue("notifications") == "notifications.parked"
    assert naming.suspects_queue("notifications") == "notifications.suspects"
    assert (naming.EVENTS, naming.COMMANDS) == ("events", "commands")


@pytest.mark.parametrize("queue", ["shop.ship", "a", "A_b:c@d#e,f/g-h", "x" * 200])
def test_letters_digits_and_some_signs_name_a_queue(queue: str) -> None:
    """What every broker and every tool takes."""
    assert naming.queue_problem(queue) is None


@pytest.mark.parametrize("queue", ["", "x" * 201, "a b", "a\n", "ü", "a'b", "amq.ship"])
def test_any_other_name_of_a_queue_is_a_problem(queue: str) -> None:
    """The sentence repeats it."""
    assert f"'{queue}'" in (naming.queue_problem(queue) or "")


@pytest.mark.parametrize("name", ["orders", "order-archive", "orders2", "2", "a" * 60])
def test_lower_case_words_joined_by_dashes_name_a_service(name: str) -> None:
    """A name without a dot, because dots separate it from its consumers."""
    assert naming.service_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "Orders", "orders.eu", "order_archive", "-a", "a-", "a--b", "ö", "a\n", "a" * 61]
)
def test_any_other_name_of_a_service_is_a_problem(name: str) -> None:
    """The sentence repeats the name and shows one that would do."""
    problem = naming.service_problem(name)
    assert problem is not None
    assert f"'{name}'" in problem
    assert "'order-archive'" in problem
