"""Settings come from the environment and `.env`; every problem is listed, and no secret shown."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.certificates import Authority
from toolkit import ConfigurationError, Settings, SettingsError
from toolkit.transport.rabbitmq.tls import Tls

ADDRESS = "amqp://ada:hunter2@broker:5673/shop"
SECURE = "amqps://ada:hunter2@broker:5671/shop"


@pytest.fixture
def tls(authority: Authority) -> Tls:
    """Files that can be used."""
    cert, key = authority.issue("shop.example.com")
    return Tls(ca=authority.path, cert=cert, key=key)


def test_everything_has_a_default() -> None:
    """Against a broker on this machine a service starts without any setting."""
    settings = Settings()
    assert settings.urls == ("amqp://guest:guest@localhost/",)
    assert (settings.topology, settings.log_level, settings.log_format) == (
        "declare",
        "info",
        "auto",
    )
    assert settings.shutdown_grace == timedelta(seconds=25)
    assert settings.connect_timeout == settings.publish_timeout == timedelta(seconds=30)
    assert settings.heartbeat == timedelta(seconds=10)
    assert (settings.crash_budget, settings.max_body) == (3, None)


def test_every_setting_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tls: Tls
) -> None:
    """Under its name in capitals; durations as people write them."""
    variables = {
        "AMQP_URL": SECURE,
        "TOPOLOGY": "check",
        "LANE": "plain",
        "CONNECT_TIMEOUT": "2s",
        "HEARTBEAT": "5s",
        "PUBLISH_TIMEOUT": "1m30s",
        "SHUTDOWN_GRACE": "0s",
        "MAX_BODY": "1000",
        "CRASH_BUDGET": "5",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
        "HEALTH_HOST": "0.0.0.0",
        "HEALTH_PORT": "8081",
        "STALL_LIMIT": "3s",
        "ALLOW_EDIT": "true",
    }
    files = {"TLS_CA": tls.ca, "TLS_CERT": tls.cert, "TLS_KEY": tls.key}
    variables |= {name: str(path) for name, path in files.items()}
    assert {name.lower() for name in variables} == set(Settings.model_fields)
    for name, value in variables.items():
        monkeypatch.setenv(f"TOOLKIT_{name}", value)
    settings = Settings()
    assert (settings.urls, settings.tls) == ((SECURE,), tls)
    assert settings.publish_timeout == timedelta(seconds=90)
    assert settings.shutdown_grace == timedelta(0)
    assert (settings.max_body, settings.crash_budget) == (1_000, 5)
    assert (settings.topology, settings.log_format) == ("check", "json")
    assert settings.lane == "plain"
    assert (settings.health_host, settings.health_port) == ("0.0.0.0", 8081)
    assert settings.stall_limit == timedelta(seconds=3)
    assert settings.allow_edit


def test_a_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`.env` in the working directory, which may hold settings of others as well."""
    (tmp_path / ".env").write_text(
        f"TOOLKIT_AMQP_URL={ADDRESS}\nTOOLKIT_LOG_LEVEL=error\nDATABASE_URL=sqlite://\n"
    )
    monkeypatch.setenv("TOOLKIT_LOG_LEVEL", "debug")
    settings = Settings()
    assert (settings.urls, settings.log_level) == ((ADDRESS,), "debug")


def test_a_program_may_give_settings_itself() -> None:
    """As text or as values."""
    settings = Settings(connect_timeout=timedelta(seconds=3), heartbeat="7s")
    assert settings.connect_timeout == timedelta(seconds=3)
    assert settings.heartbeat == timedelta(seconds=7)


def test_several_nodes_of_a_cluster_are_separated_by_commas() -> None:
    """With or without spaces, and a comma too many does no harm."""
    settings = Settings(amqp_url="amqp://a/, amqps://b:5671/v,")
    assert settings.urls == ("amqp://a/", "amqps://b:5671/v")


def test_settings_can_not_be_changed() -> None:
    """What was checked stays as it was."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().log_level = "debug"  # type: ignore[misc]


@pytest.mark.parametrize("url", ["memory://", "memory://shop", "MEMORY://shop"])
def test_the_broker_may_be_one_in_memory(url: str) -> None:
    """With a name, or without."""
    assert Settings(amqp_url=url).is_in_memory
    assert not Settings(amqp_url=ADDRESS).is_in_memory


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"memory://,{ADDRESS}", "stands alone"),
        ("memory://one,memory://two", "stands alone"),
        ("memory://ada:hunter2@shop", "more than a name"),
        ("memory://shop/orders", "more than a name"),
        ("memory://shop?x=1", "more than a name"),
    ],
)
def test_a_broker_in_memory_is_no_node_and_has_nothing_but_a_name(url: str, said: str) -> None:
    """What would be ignored is refused."""
    with pytest.raises(SettingsError, match=said) as caught:
        Settings(amqp_url=url)
    assert "hunter2" not in str(caught.value)


# ---------------------------------------------------------------------------------- TLS


def problems(**values: Any) -> tuple[str, ...]:
    """What settings for a broker with TLS are refused for."""
    with pytest.raises(SettingsError) as caught:
        Settings(**{"amqp_url": SECURE} | values)
    return caught.value.problems


def test_files_for_tls_that_are_missing_are_all_named(tmp_path: Path) -> None:
    """Each by its variable."""
    names = ("tls_ca", "tls_cert")
    assert problems(**{name: tmp_path / name for name in names}) == (
        f"TOOLKIT_TLS_CA: there is no file {tmp_path}/tls_ca",
        f"TOOLKIT_TLS_CERT: there is no file {tmp_path}/tls_cert",
    )


def test_a_certificate_needs_a_key_and_a_key_a_certificate(tls: Tls) -> None:
    """The one that is missing is named."""
    (said,) = problems(tls_cert=tls.cert)
    assert said.startswith(f"TOOLKIT_TLS_KEY: is not set, and {tls.cert} holds no private key")
    assert problems(tls_key=tls.key) == (
        "TOOLKIT_TLS_KEY: is the key of no certificate; set TOOLKIT_TLS_CERT too",
    )


def test_a_key_of_another_certificate_is_refused(tls: Tls, authority: Authority) -> None:
    """Before anything connects."""
    _, other = authority.issue("shop.example.com")
    assert problems(tls_cert=tls.cert, tls_key=other) == (
        f"TOOLKIT_TLS_KEY: {other} is not the key of the certificate {tls.cert}",
    )


def test_files_for_tls_are_refused_where_an_address_has_none(tls: Tls) -> None:
    """Whoever names them counts on TLS, and would send a password in the clear."""
    said = problems(amqp_url=f"{SECURE},{ADDRESS}", tls_ca=tls.ca)
    assert said == (
        "TOOLKIT_TLS_CA: is set, but TOOLKIT_AMQP_URL has an address without TLS; use amqps://",
    )


def test_files_for_tls_may_stay_when_the_broker_is_one_in_memory(tls: Tls) -> None:
    """Nothing leaves the process there."""
    assert Settings(amqp_url="memory://", tls_ca=tls.ca).is_in_memory


# ---------------------------------------------------------------------------------- problems


BAD = [
    ("amqp_url", "http://ada:hunter2@broker/"),
    ("amqp_url", "amqp://ada:hunter2@/"),
    ("amqp_url", "amqp://ada:hunter2@broker:99999/"),
    ("amqp_url", "amqp://good/,amqp://ada:hunter2#@broker/"),
    ("amqp_url", " , "),
    ("topology", "yes"),
    ("connect_timeout", "0s"),
    ("publish_timeout", "0s"),
    ("publish_timeout", "soon"),
    ("heartbeat", "500ms"),
    ("heartbeat", "11m"),
    ("heartbeat", "9999999999d"),
    ("shutdown_grace", "-1s"),
    ("max_body", "0"),
    ("max_body", "16MB"),
    ("crash_budget", "0"),
    ("crash_budget", "101"),
    ("log_level", "LOUD"),
    ("log_format", "xml"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_value_that_can_not_be_used_is_named_by_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one problem of a `SettingsError`, which is a `ConfigurationError`."""
    monkeypatch.setenv(f"TOOLKIT_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        Settings()
    (problem,) = caught.value.problems
    assert problem.startswith(f"TOOLKIT_{name.upper()}: ")
    assert isinstance(caught.value, ConfigurationError)
    assert "hunter2" not in str(caught.value)


LIMITS = {
    "heartbeat": ["1s", "10m"],
    "max_body": ["1"],
    "crash_budget": ["1", "100"],
    "connect_timeout": ["1ms", "24d"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in LIMITS.items() for v in vs])
def test_the_smallest_and_the_largest_values_can_be_used(name: str, value: Any) -> None:
    """Nothing is refused that works."""
    Settings(**{name: value})


def test_the_address_that_is_wrong_is_told_by_its_number() -> None:
    """It can't be repeated, because it may hold a password."""
    with pytest.raises(SettingsError, match="address 2 begins with 'http://'"):
        Settings(amqp_url="amqp://a/,http://b/,amqp://c/")
    with pytest.raises(SettingsError, match="TOOLKIT_AMQP_URL: names no address"):
        Settings(amqp_url="")


def test_every_problem_is_listed_at_once() -> None:
    """Nobody has to start ten times."""
    bad: dict[str, Any] = dict(reversed(BAD))
    with pytest.raises(SettingsError) as caught:
        Settings(**bad)
    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == {f"TOOLKIT_{name.upper()}" for name in bad}


# ---------------------------------------------------------------------------------- secrets


def test_no_secret_is_shown_by_settings() -> None:
    """However they are printed."""
    settings = Settings(amqp_url=ADDRESS)
    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "hunter2" not in shown


@pytest.mark.parametrize(("name", "value"), BAD)
def test_no_secret_is_shown_by_a_problem(name: str, value: str) -> None:
    """Neither by the error itself nor by one behind it."""
    with pytest.raises(SettingsError) as caught:
        Settings(**{"amqp_url": ADDRESS, name: value})
    error = caught.value
    assert "hunter2" not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__suppress_context__
