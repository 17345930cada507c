"""`toolkit doctor` on services and their queues: what it sees, and that it changes nothing."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from tests.hostile.management import PASSWORD, VirtualHost, all_but
from tests.operations.shop import Handle, Shop
from toolkit import QueueOptions
from toolkit.cli.main import app
from toolkit.embedded import EmbeddedBroker
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.queue import queues
from toolkit.testing.broker import Broker
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.inspector import Inspector

SHOP = "tests.operations.shop:make_shop"


async def found_of(
    shop: Shop, url: str, *, fail_on_dead_letters: bool = False
) -> dict[tuple[str, str], Finding]:
    """By check and subject."""
    async with Inspector.connected(RabbitOptions(urls=(url,), service="doctor")) as inspector:
        found = await queues(
            shop.service, "shop", inspector, fail_on_dead_letters=fail_on_dead_letters
        )
    return {(finding.check, finding.subject): finding for finding in found}


# ------------------------------------------------------------------------------ topology


async def test_what_is_missing_is_a_note_where_the_service_declares_it(amqp_url: str) -> None:
    """Before its first start nothing is there."""
    found = await found_of(Shop(amqp_url), amqp_url)
    finding = found["topology", "shop"]
    assert finding.status == "note"
    assert "exchange 'events'" in finding.sentence
    assert "and 14 more" in finding.sentence


@pytest.mark.parametrize("mode", ["check", "off"])
async def test_what_is_missing_is_wrong_where_others_declare_it(amqp_url: str, mode: str) -> None:
    """The service would not start, or not work."""
    found = await found_of(Shop(amqp_url, topology=mode), amqp_url)
    assert found["topology", "shop"].status == "wrong"
    assert "queue 'shop.delay.1s'" in found["topology", "shop"].sentence
    assert "TOOLKIT_TOPOLOGY=declare" in str(found["topology", "shop"].fix)


async def test_each_argument_that_differs_is_named_with_what_to_do(
    virtual_host: VirtualHost, amqp_url: str
) -> None:
    """Of a queue and of an exchange."""
    virtual_host.add_queue("shop.handle", x_queue_type="classic", x_max_length=5)
    virtual_host.add_exchange("commands", "fanout")
    async with Inspector.connected(RabbitOptions(urls=(amqp_url,), service="doctor")) as inspector:
        found = await queues(Shop(amqp_url).service, "shop", inspector, fail_on_dead_letters=False)
    wrong = [finding for finding in found if finding.status == "wrong"]
    said = "\n".join(finding.sentence for finding in wrong)
    assert "queue 'shop.handle': " in said
    assert "; x-queue-type should be 'quorum', the broker has 'classic'" in said
    assert "; x-max-length should be nothing, the broker has 5" in said
    assert "exchange 'commands': type should be 'direct', the broker has 'fanout'" in said
    fixes = [str(finding.fix) for finding in wrong]
    assert any("toolkit topology migrate shop.handle" in fix for fix in fixes)


async def test_what_the_user_may_not_compare_is_not_called_well(
    virtual_host: VirtualHost, amqp_url: str
) -> None:
    """The broker tells how a thing is to those only who might declare it."""
    async with Shop(amqp_url).service:
        pass
    url = virtual_host.url_for(configure=all_but("shop.handle", "events"))
    found = await found_of(Shop(url), url)
    assert found["topology", "shop"].status == "unknown"
    assert found["topology", "shop"].sentence.endswith("on them: events, shop.handle")


async def test_queues_without_a_backstop_are_worth_a_word(amqp_url: str) -> None:
    """A message that kills its process may come back for ever."""

    class Endless(Handle):
        queue = QueueOptions(name="shop.handle", delivery_limit=-1)

    found = await found_of(Shop(amqp_url, handle=Endless()), amqp_url)
    assert "has no delivery limit" in found["topology", "shop"].sentence


# ------------------------------------------------------------------------------ messages


async def test_messages_that_nobody_consumes_are_wrong_and_an_idle_queue_is_a_note(
    virtual_host: VirtualHost, amqp_url: str
) -> None:
    """While the service runs, neither is."""
    shop = Shop(amqp_url)
    async with shop.service:
        found = await found_of(shop, amqp_url)
        assert found["topology", "shop"].status == "ok"
        assert found["consumers", "shop.handle"].status == "ok"
    found = await found_of(shop, amqp_url)
    assert found["consumers", "shop.handle"].status == "note"
    virtual_host.put("shop.handle", '{"number": 1}')
    found = await found_of(shop, amqp_url)
    assert found["consumers", "shop.handle"].status == "wrong"
    assert "messages that wait: 1" in found["consumers", "shop.handle"].sentence
    assert "`toolkit run shop`" in str(found["consumers", "shop.handle"].fix)


@pytest.mark.parametrize("queue", ["shop.handle.dead", "shop.parked", "shop.suspects"])
async def test_what_was_given_up_is_a_note_and_wrong_to_those_who_ask_for_it(
    virtual_host: VirtualHost, amqp_url: str, queue: str
) -> None:
    """Dead letters are part of life; a pipeline may want to stop for them."""
    shop = Shop(amqp_url)
    async with shop.service:
        pass
    assert (await found_of(shop, amqp_url))["dead letters", "shop"].status == "ok"
    virtual_host.put(queue, "{}")
    assert (await found_of(shop, amqp_url))["dead letters", queue].status == "note"
    found = await found_of(shop, amqp_url, fail_on_dead_letters=True)
    assert found["dead letters", queue].status == "wrong"


# ------------------------------------------------------------------------------ the command


Doctor = Callable[..., Result]


@pytest.fixture
def doctor(nowhere: Path, rabbitmq: Broker) -> Iterator[Doctor]:
    """The command, outside of any project, with the management API of this broker."""

    def run(*words: str, **environment: str) -> Result:
        said = {"TOOLKIT_MANAGEMENT_URL": rabbitmq.management_url, "NO_COLOR": "1"} | environment
        return CliRunner().invoke(app, ["doctor", *words], env=said)

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield run
    root.handlers[:] = handlers  # the command's own write to what the runner has closed
    root.setLevel(level)
    structlog.reset_defaults()


def findings_in(result: Result) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return findings


def test_nothing_is_changed_and_no_message_is_taken(
    doctor: Doctor, virtual_host: VirtualHost, amqp_url: str
) -> None:
    """Not even where everything is missing, nor where messages wait."""
    before = virtual_host.everything()
    doctor(SHOP, TOOLKIT_AMQP_URL=amqp_url)
    assert virtual_host.everything() == before

    virtual_host.add_queue("shop.handle", x_queue_type="quorum")
    virtual_host.add_queue("shop.handle.dead")
    virtual_host.add_exchange("events", "topic")
    virtual_host.put("shop.handle", '{"number": 1}')
    virtual_host.put("shop.handle.dead", "{}")
    before = virtual_host.everything()
    assert doctor(SHOP, TOOLKIT_AMQP_URL=amqp_url).exit_code == 1
    assert virtual_host.everything() == before
    for queue in ("shop.handle", "shop.handle.dead"):
        assert virtual_host.messages(queue) == 1
        assert virtual_host.first(queue)["redelivered"] is False


async def test_a_service_that_runs_well_gets_a_zero(doctor: Doctor, amqp_url: str) -> None:
    """In words, and as JSON."""
    async with Shop(amqp_url).service:
        result = await asyncio.to_thread(doctor, SHOP, "--strict", TOOLKIT_AMQP_URL=amqp_url)
        told = await asyncio.to_thread(doctor, SHOP, "--json", TOOLKIT_AMQP_URL=amqp_url)
    assert result.exit_code == 0, result.output
    assert "0 wrong" in result.stdout
    assert json.loads(told.stdout)["ok"] is True
    statuses = {(one["check"], one["subject"]): one["status"] for one in findings_in(told)}
    assert statuses["permissions", "shop"] == "ok"
    assert statuses["consumers", "shop.handle"] == "ok"


def test_what_is_unknown_fails_only_the_strict(doctor: Doctor, amqp_url: str) -> None:
    """Here it is the management API."""
    settings = {"TOOLKIT_AMQP_URL": amqp_url, "TOOLKIT_MANAGEMENT_URL": "http://127.0.0.1:1"}
    assert doctor(**settings).exit_code == 0
    assert doctor("--strict", **settings).exit_code == 1


def test_dead_letters_fail_those_who_ask(
    doctor: Doctor, virtual_host: VirtualHost, amqp_url: str
) -> None:
    """And nobody else."""
    virtual_host.add_queue("shop.suspects", x_queue_type="quorum")
    virtual_host.put("shop.suspects", "{}")
    lenient = doctor(SHOP, TOOLKIT_AMQP_URL=amqp_url)
    strict = doctor(SHOP, "--fail-on", "dead-letters", TOOLKIT_AMQP_URL=amqp_url)
    assert "wrong   dead letters: shop.suspects" not in lenient.stdout
    assert "wrong   dead letters: shop.suspects" in strict.stdout


def test_outside_of_a_project_machine_and_broker_are_looked_at(
    doctor: Doctor, amqp_url: str
) -> None:
    """With --broker, whatever the environment says."""
    result = doctor("--broker", amqp_url, "--json", TOOLKIT_AMQP_URL="amqp://127.0.0.1:1/")
    assert result.exit_code == 0, result.output
    checks = {finding["check"] for finding in findings_in(result)}
    assert checks == {"machine", "project", "settings", "broker", "management"}


# ------------------------------------------------------------------------------ projects


@pytest.fixture
def project(nowhere: Path) -> Path:
    """One with a service that works, and one that doesn't."""
    (nowhere / "pyproject.toml").write_text(
        "[tool.toolkit.service.shop]\n"
        f'target = "{SHOP}"\n'
        "[tool.toolkit.service.broken]\n"
        'target = "broken_shop:make_service"\n'
    )
    (nowhere / "broken_shop.py").write_text(
        "print('hello from an import')\n\n\ndef make_service():\n    return {}['no such thing']\n"
    )
    return nowhere


def test_a_service_that_can_not_be_made_hides_nothing_of_the_others(
    doctor: Doctor, project: Path, amqp_url: str
) -> None:
    """Its file, its line and its error are named; what it prints is no output of ours."""
    result = doctor("--json", TOOLKIT_AMQP_URL=amqp_url)
    found = {(one["check"], one["subject"]): one for one in findings_in(result)}
    assert result.exit_code == 1
    assert found["project", "broken"]["status"] == "wrong"
    assert (
        f"{project / 'broken_shop.py'}, line 5: KeyError" in found["project", "broken"]["sentence"]
    )
    assert found["permissions", "shop"]["status"] == "ok"


def test_a_service_with_an_address_in_its_code_is_told_apart(
    doctor: Doctor, nowhere: Path, amqp_url: str
) -> None:
    """What is seen here isn't where it works; the environment's address is anybody's."""
    (nowhere / "far_shop.py").write_text(
        "from toolkit import Service, Settings\n"
        f'service = Service("far", settings=Settings(amqp_url="amqp://a:{PASSWORD}@far/"))\n'
    )
    result = doctor("far_shop:service", SHOP, "--broker", amqp_url, "--json")
    notes = [one for one in findings_in(result) if "its own address" in one["sentence"]]
    assert [one["subject"] for one in notes] == ["far_shop:service"]
    assert "amqp://a:***@far/" in notes[0]["sentence"]
    assert PASSWORD not in result.output


def test_only_the_services_that_were_named_are_looked_at(
    doctor: Doctor, project: Path, amqp_url: str
) -> None:
    """So one that is being written is in nobody's way."""
    result = doctor("shop", "--json", TOOLKIT_AMQP_URL=amqp_url)
    assert {one["subject"] for one in findings_in(result)}.isdisjoint({"broken"})
    assert result.exit_code == 0


def test_a_service_that_nobody_knows_is_a_configuration_error(
    doctor: Doctor, project: Path
) -> None:
    """With the one that was meant."""
    result = doctor("shob")
    assert result.exit_code == 78
    assert "did you mean shop?" in result.stderr


def test_the_broker_of_a_running_session_is_found(
    doctor: Doctor, project: Path, amqp_url: str
) -> None:
    """Unless an address was given; one that has ended counts for nothing."""
    (project / ".toolkit").mkdir()
    note = project / ".toolkit" / "dev.json"
    note.write_text(json.dumps({"pid": os.getpid(), "amqp_url": amqp_url}))
    assert "(toolkit dev)" in doctor("shop").stdout
    given = doctor("shop", TOOLKIT_AMQP_URL="amqp://127.0.0.1:1/").stdout
    assert "amqp://127.0.0.1:1/ (TOOLKIT_AMQP_URL)" in given
    note.write_text(json.dumps({"pid": 2**22 + 1, "amqp_url": amqp_url}))
    assert "the default" in doctor("shop").stdout


def test_settings_that_can_not_be_used_are_findings_each(doctor: Doctor) -> None:
    """All at once, without a secret; the machine is looked at all the same."""
    bad = {"TOOLKIT_AMQP_URL": f"http://bob:{PASSWORD}@localhost/", "TOOLKIT_HEARTBEAT": "soon"}
    result = doctor(SHOP, "--json", **bad)
    found = {one["subject"]: one for one in findings_in(result)}
    assert result.exit_code == 1
    assert found["TOOLKIT_AMQP_URL"]["status"] == found["TOOLKIT_HEARTBEAT"]["status"] == "wrong"
    assert found["Python"]["status"] == "ok"
    assert found["broker"]["status"] == found[SHOP]["status"] == "unknown"
    assert PASSWORD not in result.output


def test_a_broker_in_memory_is_not_looked_for(doctor: Doctor) -> None:
    """It is in the process of the service."""
    result = doctor(TOOLKIT_AMQP_URL="memory://")
    assert result.exit_code == 0
    assert "there is nothing to look at" in result.stdout


async def test_the_broker_of_a_session_in_memory_is_looked_at_and_left_as_it_is(
    doctor: Doctor,
) -> None:
    """It isn't asked about permissions, which it doesn't have."""
    async with EmbeddedBroker() as broker:
        result = await asyncio.to_thread(doctor, SHOP, "--json", TOOLKIT_AMQP_URL=broker.url)
        found = {(one["check"], one["subject"]): one["status"] for one in findings_in(result)}
        assert found["permissions", "shop"] == "unknown"
        assert found["topology", "shop"] == "note"
        async with Inspector.connected(RabbitOptions(urls=(broker.url,), service="test")) as look:
            assert await look.queue("shop.handle") is None
