"""Wrong input: a sentence that says what to do, the right code, and nothing written."""

from pathlib import Path

import pytest

from tests.scaffold.workshop import Workshop

SERVICE = ("new", "service")
EVENT = ("new", "event", "payments")
CONSUMER = ("new", "consumer", "payments")
PRODUCER = ("new", "producer", "payments")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*SERVICE, "../evil"), 2, "it is a path; go to the folder"),
        ((*SERVICE, "class"), 2, "a word of Python, so it can't be imported; try 'class-service'"),
        ((*SERVICE, "Pay Ments"), 2, "use lower-case words of letters and digits"),
        ((*SERVICE,), 2, "Missing argument 'NAME'"),
        ((*SERVICE, "payments"), 78, "services/payments/service.py"),
        ((*SERVICE, "rabbitmq"), 78, "docker-compose.yml has a service 'rabbitmq' already"),
        (("new", "project", "../evil"), 2, "it is a path"),
        (("new", "project", "rabbit_toolkit"), 2, "what the toolkit itself is called"),
        (("new", "project", "tests"), 73, "tests is there already"),
        ((*EVENT, "Paid", "total:money"), 2, "use one of str, int, float"),
        ((*EVENT, "../Paid"), 2, "is no name for an event"),
        ((*EVENT, "Decimal", "total:decimal"), 2, "'Decimal' is a type that its fields need"),
        ((*EVENT, "PaymentsDone"), 78, "has PaymentsDone already"),
        ((*EVENT, "Paid", "--name", "payments.done"), 78, "has 'payments.done' already"),
        (("new", "event", "paymnts", "Paid"), 78, "did you mean payments?"),
        ((*CONSUMER, "Pay", "--on", "payments.dome"), 78, "did you mean payments.done?"),
        ((*CONSUMER, "HandleRequest", "--on", "payments.done"), 78, "HandleRequest already"),
        (
            (*CONSUMER, "Settings", "--on", "payments.done"),
            2,
            "Python or the toolkit has something of that name",
        ),
        ((*CONSUMER, "Pay"), 2, "--on"),
        ((*PRODUCER, "Pay", "--publishes", "orders.placed"), 78, "the service 'payments' has"),
        ((*PRODUCER, "PaymentsEvents", "--publishes", "payments.done"), 78, "already"),
        (("new", "nothing"), 2, "No such command 'nothing'"),
    ],
)
def test_it_is_refused_with_a_sentence(
    shop: Workshop, words: tuple[str, ...], code: int, said: str
) -> None:
    before = shop.files()
    refused = shop.toolkit(*words)
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.exit_code == code
    assert shop.files() == before


def test_outside_of_a_project_there_is_nothing_to_add_to(workshop: Workshop) -> None:
    refused = workshop.toolkit("new", "service", "payments")
    assert refused.exit_code == 78
    assert "begin with: toolkit new project NAME" in refused.stderr


@pytest.mark.parametrize(
    "place", ["services/billing/notes.txt", "tests/billing/test_on_rabbitmq.py"]
)
def test_files_that_are_there_are_left_alone(shop: Workshop, place: str) -> None:
    """Whether they are the same ones or others."""
    (shop.folder / place).parent.mkdir(parents=True)
    (shop.folder / place).write_text("mine")
    before = shop.files()
    refused = shop.toolkit("new", "service", "billing")
    assert refused.exit_code == 73
    assert "is there already" in refused.stderr
    assert shop.files() == before


def test_a_file_in_the_way_of_a_folder_is_named(shop: Workshop) -> None:
    """By the dry run too."""
    (shop.folder / "tests" / "billing").write_text("mine")
    before = shop.files()
    for words in (["billing"], ["billing", "--dry-run"]):
        refused = shop.toolkit("new", "service", *words)
        assert refused.exit_code == 73
        assert "tests/billing is not a folder" in refused.stderr
    assert shop.files() == before


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("services/payments/service.py", "def make_service(", "it is not valid Python"),
        ("services/payments/service.py", "make_service = 1\n", "is called 0 times in it"),
        ("services/payments/consumers.py", None, "has no services/payments/consumers.py"),
        ("services/payments/contracts.py", "1 / 0\n", "there is no event 'payments.done'"),
        (
            "services/payments/contracts.py",
            'from toolkit import Event\n\n\nclass Done(Event, name="payments.done"):\n    a: B\n',
            "their own code fails",
        ),
    ],
)
def test_a_service_that_is_not_in_order_is_named(
    shop: Workshop, file: str, text: str | None, said: str
) -> None:
    """With the file, and what is wrong with it."""
    place: Path = shop.folder / file
    if text is None:
        place.unlink()
    else:
        place.write_text(text)
    before = shop.files()
    refused = shop.toolkit(*CONSUMER, "Pay", "--on", "payments.done")
    assert said in refused.stderr
    assert refused.exit_code == 78
    assert shop.files() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: [", "it is not valid YAML"),
        ("services:\n  a:\n    image: x\n", "it has no anchor &broker"),
    ],
)
def test_a_compose_file_that_can_not_be_added_to_is_named(
    shop: Workshop, text: str, said: str
) -> None:
    (shop.folder / "docker-compose.yml").write_text(text)
    before = shop.files()
    refused = shop.toolkit("new", "service", "billing")
    assert said in refused.stderr
    assert refused.exit_code == 78
    assert shop.files() == before


def test_a_folder_for_services_that_is_none_of_the_project_is_refused(shop: Workshop) -> None:
    """Nothing is written beside the project."""
    settings = shop.folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace('services = "services"', 'services = "../x"'))
    refused = shop.toolkit("new", "service", "billing")
    assert refused.exit_code == 78
    assert "let [tool.toolkit] in pyproject.toml name a folder in it" in refused.stderr
    assert not (shop.folder.parent / "x").exists()


def test_a_project_without_docker_gets_a_service_without_an_entry(shop: Workshop) -> None:
    """Its files, and no docker-compose.yml."""
    (shop.folder / "docker-compose.yml").unlink()
    assert "docker-compose.yml" not in shop.new("service", "billing")


@pytest.mark.parametrize("missing", ["jinja2", "yaml", "ruff"])
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    shop: Workshop, missing: str
) -> None:
    """An image for production has none of them."""
    program = f"import sys; sys.modules[{missing!r}] = None; from toolkit.cli import main; main()"
    refused = shop.python("-c", program, "new", "service", "billing")
    assert f"this needs the package {missing}:" in refused.stderr
    assert "pip install 'rabbit-toolkit[tools]'" in refused.stderr
    assert refused.returncode == 78
