"""An address is checked before anything connects, and shown without its secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from toolkit.transport.rabbitmq.options import RabbitOptions, address_problem, redacted


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@localhost/",
        "amqps://user:p%40ss@broker.example.com:5671/shop?heartbeat=5",
        "amqp://h",
        "amqp://[::1]:5672/",
    ],
)
def test_an_address_that_can_be_tried_is_no_problem(url: str) -> None:
    """With or without credentials, port and virtual host."""
    assert address_problem(url) is None


BAD = {
    "amqp://user:hunter2/x@h/": "is not a URL",
    "amqp://user:hunter2@[::1/": "is not a URL",
    "amqp://user:hunter2@ho℀st/": "is not a URL",
    "amqp://user:hunter2@h:99999/": "is not a URL",
    "amqp://user:hunter2@h:abc/": "is not a URL",
    "amqp://user:hunter2?@h/": "is not a URL",
    "amqp://user:12#hunter2@h/": "%23",
    "http://user:hunter2@h/": "use amqp://, amqps:// or memory://",
    "user:hunter2@h": "use amqp://, amqps:// or memory://",
    "amqp:///hunter2": "names no host",
    "amqp://user:hunter2@h:0/": "port 0",
    "amqps://user:hunter2@h/?no_verify_ssl=1": "always verified; name the file of its CA",
    "amqps://user:hunter2@h/?cafile=/ca.pem": "name the file in TOOLKIT_TLS_CA",
    "amqps://user:hunter2@h/?certfile=/cert.pem": "name the file in TOOLKIT_TLS_CERT",
    "amqps://user:hunter2@h/?keyfile=/key.pem": "name the file in TOOLKIT_TLS_KEY",
}


@pytest.mark.parametrize(("url", "said"), BAD.items())
def test_any_other_address_is_a_problem_that_does_not_repeat_it(url: str, said: str) -> None:
    """It says what is wrong; the address may hold a password anywhere."""
    problem = address_problem(url)
    assert problem is not None
    assert said in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:hunter2@h:5673/shop", "amqp://user:***@h:5673/shop"),
        ("amqp://h/", "amqp://h/"),
        ("amqp://h/?password=hunter2", "amqp://h/"),
        ("amqp://user:12@h/#hunter2", "amqp://user:***@h/"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Neither the password nor the query, which can hold others."""
    assert redacted(url) == shown


@given(st.text(min_size=3))
def test_no_password_is_ever_shown(password: str) -> None:
    """Whatever characters it is made of."""
    url = URL.build(scheme="amqp", user="u", password=password, host="broker", path="/")
    assert redacted(url) == "amqp://u:***@broker/"


def test_options_do_not_show_their_addresses() -> None:
    """They are printed by debuggers and in tracebacks."""
    options = RabbitOptions(urls=("amqp://user:hunter2@h/",), service="shop")
    assert "shop" in repr(options)
    assert "hunter2" not in repr(options)
