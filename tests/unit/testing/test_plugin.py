"""The pytest plugin, as a project sees it that installs the toolkit and has no conftest."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.testing.broker import Broker
from toolkit.testing.broker.ports import choose_free_ports

HEAVY = ("aio_pika", "aiormq", "docker", "pydantic", "structlog", "testcontainers", "tenacity")

USES_A_BROKER = """
    import aio_pika
    import pytest

    @pytest.mark.asyncio
    async def test_connects(rabbitmq, amqp_url):
        assert rabbitmq.description.startswith("RabbitMQ ")
        async with await aio_pika.connect(amqp_url) as connection:
            assert not connection.is_closed
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of its own, run by a pytest of its own."""
    pytester.makepyfile(USES_A_BROKER)
    return pytester


@pytest.fixture
def with_broker(rabbitmq: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project finds our broker in its environment."""
    monkeypatch.setenv("TOOLKIT_TEST_AMQP_URL", rabbitmq.url)
    monkeypatch.setenv("TOOLKIT_MANAGEMENT_URL", rabbitmq.management_url)


@pytest.fixture
def without_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no engine of Docker's, and nothing is installed where one looks."""
    monkeypatch.delenv("TOOLKIT_TEST_AMQP_URL", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{choose_free_ports(1)[0]}")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.usefixtures("with_broker")
def test_the_fixtures_are_there_in_both_modes_of_asyncio(
    project: pytest.Pytester, mode: str
) -> None:
    """Without any import or setting in the project."""
    result = project.runpytest_subprocess(f"--asyncio-mode={mode}")
    result.assert_outcomes(passed=1)


@pytest.mark.usefixtures("without_broker")
def test_without_a_broker_the_tests_that_need_one_are_skipped(project: pytest.Pytester) -> None:
    """The reason names each way that was tried and what was wrong; nothing gets installed."""
    result = project.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*Docker: *", "*RabbitMQ on this machine: there is none.*"])
    result.stdout.no_fnmatch_line("*Installing RabbitMQ*")


@pytest.mark.usefixtures("without_broker")
def test_a_required_broker_that_is_missing_is_a_failure(project: pytest.Pytester) -> None:
    """With the same reason, in a worker of xdist too."""
    result = project.runpytest_subprocess("--require-broker", "-n1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*No RabbitMQ found and none could be started*"])


def test_what_is_no_broker_is_refused(project: pytest.Pytester) -> None:
    """With the choices there are."""
    result = project.runpytest_subprocess("--broker=rabbit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--broker=rabbit: choose memory, local *docker *amqp://*"])


def test_a_url_where_nobody_answers_is_refused(project: pytest.Pytester) -> None:
    """Before any test runs, and without the password."""
    (port,) = choose_free_ports(1)
    result = project.runpytest_subprocess(f"--broker=amqp://ada:secret@127.0.0.1:{port}/")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--broker: no broker answers at 127.0.0.1:{port}*"])
    result.stderr.no_fnmatch_line("*secret*")


@pytest.mark.usefixtures("with_broker")
def test_workers_share_a_broker_and_look_for_it_when_one_needs_it(
    project: pytest.Pytester,
) -> None:
    """Two workers with a test each look once; tests that need none look for none."""
    project.makepyfile(test_other=USES_A_BROKER, test_none="def test_none(): pass")
    result = project.runpytest_subprocess("-n2", "--dist=loadfile")
    result.assert_outcomes(passed=3)
    assert result.stdout.str().count("Broker: RabbitMQ") == 1
    result = project.runpytest_subprocess("-n2", "test_none.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Broker: *")


def test_a_harness_runs_where_the_command_line_says(
    pytester: pytest.Pytester, rabbitmq: Broker, with_broker: None
) -> None:
    """In memory unless told otherwise, and then nobody looks for a broker."""
    pytester.makepyfile(
        """
        from toolkit import Service

        def test_place(harness):
            async def start():
                async with harness(service := Service("shop")):
                    return service.broker

            import asyncio
            broker = asyncio.run(start())
            assert "in memory" in broker, broker
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Broker: *")
    result = pytester.runpytest_subprocess(f"--broker={rabbitmq.url}")
    result.stdout.fnmatch_lines(["E * AssertionError: RabbitMQ * at amqp://*/test-*"])


def test_importing_it_costs_nothing() -> None:
    """It is imported with every pytest of a project, also where no test needs it."""
    program = f"import sys, toolkit.testing.plugin; print(sys.modules.keys() & {set(HEAVY)})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.strip() == b"set()"
