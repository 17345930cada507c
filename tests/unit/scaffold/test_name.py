"""Names: every form of a good one, and why a bad one is bad."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as some

from toolkit.scaffold.errors import WrongNameError
from toolkit.scaffold.name import class_name, package_name, sentence, wire_name
from toolkit.topology.naming import service_problem


@pytest.mark.parametrize("typed", ["payment-hub", "payment_hub"])
def test_dashes_and_underscores_are_the_same_name(typed: str) -> None:
    """Dashes on the broker, underscores in Python."""
    name = package_name(typed, of="service")
    assert (name.kebab, name.snake, name.pascal, name.prefix, name.sentence) == (
        "payment-hub",
        "payment_hub",
        "PaymentHub",
        "PAYMENT_HUB",
        "Payment-hub",
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("../shop", "it is a path"),
        ("/etc/shop", "it is a path"),
        ("a\\b", "it is a path"),
        (".", "it is a path"),
        ("", "lower-case words"),
        ("Shop", "lower-case words"),
        ("my shop", "lower-case words"),
        ("2shops", "lower-case words"),
        ("shop-", "lower-case words"),
        ("shöp", "lower-case words"),
        ("shop\n", "lower-case words"),
        ("-rf", "lower-case words"),
        ("import", "a word of Python"),
        ("s" * 51, "50 characters"),
    ],
)
def test_what_is_no_name_for_a_service_is_refused_with_the_reason(typed: str, said: str) -> None:
    with pytest.raises(WrongNameError, match="is no name for a service") as refused:
        package_name(typed, of="service")
    assert said in str(refused.value)


@given(some.text(max_size=60))
def test_whatever_is_taken_is_a_package_and_a_name_on_the_broker(typed: str) -> None:
    """No text gets through that would be something else as a path or a module."""
    try:
        name = package_name(typed, of="service")
    except WrongNameError:
        return
    assert name.snake.isidentifier()
    assert not keyword.iskeyword(name.snake)
    assert service_problem(name.kebab) is None


@given(some.from_regex(r"[a-z][a-z0-9]{0,6}([-_][a-z0-9]{1,6}){0,5}", fullmatch=True))
def test_words_are_taken(typed: str) -> None:
    """But for those that Python keeps for itself."""
    if not keyword.iskeyword(typed):
        assert package_name(typed, of="service").snake == typed.replace("-", "_")


@pytest.mark.parametrize("typed", ["SendReceipt", "send-receipt", "send_receipt"])
def test_a_class_may_be_named_in_words(typed: str) -> None:
    assert class_name(typed, of="a consumer") == "SendReceipt"
    assert sentence("SendReceipt") == "Send receipt"


@pytest.mark.parametrize(
    "typed",
    ["", "send receipt", "Send.Receipt", "../Send", "None", "Exception", "Consumer", "A" * 37],
)
def test_what_is_no_name_for_a_class_is_refused(typed: str) -> None:
    """Names that are taken in every module are not to be had."""
    with pytest.raises(WrongNameError, match="is no name for a consumer"):
        class_name(typed, of="a consumer")


def test_a_name_on_the_wire_is_what_a_contract_takes() -> None:
    """One rule, in one place."""
    assert wire_name("orders.placed") == "orders.placed"
    with pytest.raises(WrongNameError, match=r"^'Orders placed' is no name for a message"):
        wire_name("Orders placed")
