"""The documentation is true: its code is run as a reader would run it, and its site builds."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

import toolkit
import toolkit.testing
from services.notifications.contracts import OrderPlaced
from tests.docs.console import environment, is_answered, run, typed
from tests.docs.page import DOCS, ROOT, Page, pages, read
from tests.docs.site import asked_elsewhere
from tests.outsider import eventually
from toolkit import Consumer, Context, Service, Settings
from toolkit.policies.duration import format_duration
from toolkit.testing.broker import Broker

PAGES = pages()
GUIDE = read(DOCS / "testing.md")
PYTHON = [page for page in PAGES if page.programs]
PROJECTS = [page for page in PAGES if page.files]
CONSOLES = [page for page in PAGES if page.consoles]


def each(some: list[Page]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", some, ids=lambda page: page.name)


def write(files: dict[str, str], folder: Path) -> None:
    for name, code in files.items():
        (folder / name).write_text(code)


def type_check(folder: Path) -> None:
    """Under mypy --strict, as users write it, with a cache that lasts."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", *sorted(folder.glob("*.py"))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(folder)},
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


# -------------------------------------------------------------------------------------- blocks


@each(PAGES)
def test_every_block_of_a_page_is_of_a_known_kind(page: Page) -> None:
    """So none can be forgotten: it is run, or it is said here why not."""
    problems = [f"{page.name}:{b.line}: {p}" for b in page.blocks if (p := b.problem())]
    assert not problems, "\n".join(problems)


@each([page for page in PROJECTS if page.path != GUIDE.path])
def test_a_page_with_files_shows_how_they_are_run(page: Page) -> None:
    """The testing guide's have tests of their own, below."""
    assert page.consoles, f"{page.name} has {', '.join(page.files)}, and no console that runs them"


def test_the_programs_of_all_pages_type_check(tmp_path: Path) -> None:
    """Each as one module; blocks of a page that build on each other are one."""
    for page in PYTHON:
        write({f"{page.slug}_{n}.py": code for n, code in enumerate(page.programs)}, tmp_path)
    type_check(tmp_path)


@each(PROJECTS)
def test_the_files_of_a_page_type_check(page: Page, tmp_path: Path) -> None:
    write(page.files, tmp_path)
    type_check(tmp_path)


@each(PYTHON)
def test_the_programs_of_a_page_run(page: Page, tmp_path: Path) -> None:
    """Saved to a file and started, with nothing around it."""
    for code in page.programs:
        (tmp_path / "program.py").write_text(code)
        ran = subprocess.run(
            [sys.executable, "program.py"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment() | {"TOOLKIT_AMQP_URL": "memory://"},
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


def test_the_program_without_a_server_prints_what_the_readme_says() -> None:
    """A parcel, among the lines of its log."""
    program = next(code for code in read(ROOT / "README.md").programs if "memory://" in code)
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert "a parcel with Darjeeling" in ran.stdout.splitlines()


@each(CONSOLES)
def test_the_commands_of_a_page_answer_what_it_says(page: Page, tmp_path: Path) -> None:
    """Typed one after another, in a folder that has the page's files; a clone, for the README.

    `cd` lasts until the end of its section.
    """
    write(page.files, tmp_path)
    if page.path.parent == ROOT:
        (tmp_path / "services").symlink_to(ROOT / "services")
    folder, section = tmp_path, ""
    for console in page.consoles:
        if console.section != section:
            folder, section = tmp_path, console.section
        for step in typed(console.code):
            if step.command.startswith("cd "):
                folder /= step.command.removeprefix("cd ")
                continue
            said = run(step, folder)
            assert is_answered(step.answer, said), f"$ {step.command}\n{said}"


# ------------------------------------------------------------------------------- testing guide

AUTO = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
FILES = {name.removesuffix(".py"): code for name, code in GUIDE.files.items()}
TESTS = sum(code.count("async def test_") for code in FILES.values())


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with the guide's files and not a line more."""
    monkeypatch.delenv("TOOLKIT_TEST_AMQP_URL", raising=False)
    pytester.makepyfile(**FILES)
    return pytester


def test_every_block_of_python_in_the_testing_guide_is_a_file_of_that_project() -> None:
    """So none can be forgotten."""
    assert not GUIDE.programs
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


# -------------------------------------------------------------------------------- other clients


class Note(Consumer[OrderPlaced]):
    """Writes down what comes."""

    def __init__(self) -> None:
        self.seen: list[OrderPlaced] = []

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """One more."""
        self.seen.append(message)


async def test_the_pika_script_talks_with_services(amqp_url: str) -> None:
    """Word for word, it places an order that notifications' contract takes, and hears one."""
    [script] = [b.code for b in read(DOCS / "guides" / "wire.md").blocks if "import pika" in b.code]
    consumer = Note()
    async with Service("listener", consumers=[consumer], settings=Settings(amqp_url=amqp_url)):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            script,
            env=os.environ | {"TOOLKIT_AMQP_URL": amqp_url},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        await eventually(lambda: bool(consumer.seen))
    assert process.returncode == 0
    assert output.startswith(b"orders.placed")
    assert consumer.seen[0].customer_email == "ada@example.org"


# ------------------------------------------------------------------------------------ reference


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    """A default in words stands for none."""
    page = (DOCS / "reference" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `TOOLKIT_(\w+)` \| (.*?) \|", page, re.MULTILINE))
    wanted = {name.upper(): shown(f.default) for name, f in Settings.model_fields.items()}
    assert {name: cell if "`" in cell else None for name, cell in rows.items()} == wanted


def shown(default: object) -> str | None:
    match default:
        case None:
            return None
        case timedelta():
            return f"`{format_duration(default)}`"
        case SecretStr():
            return f"`{default.get_secret_value()}`"
    return f"`{default}`"


def test_every_page_is_in_the_navigation() -> None:
    """And a page that is named there exists."""
    config = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r"[\w/-]+\.md\b", config[config.index("\nnav:") :]))
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert named == there, "add a line under nav in mkdocs.yml: '- toolkit x: commands/x.md'"


# ----------------------------------------------------------------------------------------- site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it, from a copy, with nothing but what is in the repository."""
    copy = tmp_path_factory.mktemp("site")
    for name in ("docs", "toolkit"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        capture_output=True,
        text=True,
        cwd=copy,
        check=False,
    )
    assert built.returncode == 0, f"{built.stdout}{built.stderr}\n`make` installs what it needs"
    return copy / "site"


@pytest.mark.xdist_group("site")
def test_the_site_builds_and_has_every_page(site: Path) -> None:
    """Strictly: a broken link, or a reference to what isn't there, fails."""
    there = {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")}
    built = {path.parent.relative_to(site) for path in site.rglob("index.html")}
    assert there - {Path("index")} <= built


@pytest.mark.xdist_group("site")
def test_the_site_asks_no_other_host_for_anything(site: Path) -> None:
    """No foreign script, style sheet, font or picture."""
    assert list(asked_elsewhere(site)) == []


@pytest.mark.xdist_group("site")
@pytest.mark.parametrize("face", [toolkit, toolkit.testing], ids=lambda face: face.__name__)
def test_all_that_is_public_is_in_the_reference(site: Path, face: object) -> None:
    """Each name has a place that others can link to."""
    reference = "".join(page.read_text() for page in (site / "reference").rglob("*.html"))
    names = [f"{face.__name__}.{name}" for name in face.__all__]  # type: ignore[attr-defined] # a module
    assert [name for name in names if f'id="{name}"' not in reference] == []
