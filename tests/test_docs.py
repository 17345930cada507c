"""The guides' code, run as a reader would run it: copied into files, and started."""

import re
from pathlib import Path

import pytest

from toolkit.testing.broker import Broker

GUIDE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text()
FILES = dict(re.findall(r"```python\n# (\w+)\.py.*?\n(.*?)```", GUIDE, re.DOTALL))
AUTO = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
TESTS = sum(code.count("async def test_") for code in FILES.values())


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with the guide's files and not a line more."""
    monkeypatch.delenv("TOOLKIT_TEST_AMQP_URL", raising=False)
    pytester.makepyfile(**FILES)
    return pytester


def test_every_block_of_python_in_the_guide_is_a_file_of_that_project() -> None:
    """So none can be forgotten."""
    assert len(FILES) == GUIDE.count("```python")
    assert TESTS == 9


def test_the_testing_guide_is_true_in_memory(project: pytest.Pytester) -> None:
    """As it stands, with nothing but the plugin."""
    project.makeini(AUTO)
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=TESTS)
    result.stdout.no_fnmatch_line("*Broker: *")


def test_the_testing_guide_is_true_on_rabbitmq(
    project: pytest.Pytester, rabbitmq: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tests, unchanged."""
    monkeypatch.setenv("TOOLKIT_MANAGEMENT_URL", rabbitmq.management_url)
    project.makeini(AUTO)
    result = project.runpytest_subprocess(f"--broker={rabbitmq.url}")
    result.assert_outcomes(passed=TESTS)


def test_the_testing_guide_is_true_in_strict_mode(project: pytest.Pytester) -> None:
    """With the marker that it asks for."""
    project.makeini(AUTO.replace("auto", "strict"))
    for name, code in FILES.items():
        marked = code.replace("async def test_", "@pytest.mark.asyncio\nasync def test_")
        (project.path / f"{name}.py").write_text(f"import pytest\n{marked}")
    project.runpytest_subprocess().assert_outcomes(passed=TESTS)
