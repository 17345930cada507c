"""What `toolkit new` makes is green at once, on a machine without Docker or RabbitMQ."""

from pathlib import Path

import yaml

from tests.scaffold.workshop import Workshop


def test_all_that_can_be_made_passes_ruff_mypy_and_its_own_tests(shop: Workshop) -> None:
    """One project with everything in it: each command once, and names as long as they may be."""
    longest = "-".join(["shipping"] * 5 + ["abcde"])
    shop.new("service", longest)
    shop.new("service", "order_archive")
    shop.new(
        *("event", "payments", "PaymentRefunded", "payment_id:uuid", "amount:decimal", "note:str?"),
        *("at:datetime", "day:date", "lines:list[uuid]", "more:json", "share:float=0.5"),
    )
    shop.new("event", "payments", "S" + "o" * 35)
    shop.new("consumer", "payments", "SendReceipt", "--on", "payments.done")
    shop.new("consumer", "order-archive", "keep-refunds", "--on", "PaymentRefunded")
    shop.new("consumer", longest, "K" + "e" * 35, "--on", "payments.payment-refunded")
    shop.new("producer", "payments", "Refunds", "--publishes", "PaymentRefunded")

    tests = shop.module("pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout
    assert "9 passed, 3 skipped" in tests.stdout
    assert "No RabbitMQ found and none could be started" in tests.stdout
    for words in (("mypy", "--strict"), ("ruff", "check"), ("ruff", "format", "--check")):
        checked = shop.module(*words)
        assert checked.returncode == 0, f"{words}: {checked.stdout}"

    assert shop.toolkit("run", "nobody").exit_code == 78
    entries = yaml.safe_load((shop.folder / "docker-compose.yml").read_text())["services"]
    assert list(entries) == ["rabbitmq", "payments", longest, "order-archive"]
    ports = [entries[name]["ports"][0].rpartition("-")[2] for name in list(entries)[1:]]
    assert ports == ["8081}:8080", "8082}:8080", "8083}:8080"]


def test_nothing_of_this_machine_is_in_a_project(shop: Workshop) -> None:
    """Nor the name of a mirror, or a path: the wheel's content is in tests/unit/scaffold."""
    own = str(Path.home()).encode()
    for name, content in shop.files().items():
        if not name.endswith(".whl"):
            assert b"/tmp/" not in content, name
            assert own not in content, name
            assert b"{{" not in content.replace(b"${{", b""), name
            assert b"{%" not in content, name


def test_a_project_has_all_that_it_needs(shop: Workshop) -> None:
    """The list, as a whole: what is new here is said here."""
    files = {name for name, content in shop.files().items() if content}
    wheel = next(name for name in files if name.endswith(".whl"))
    assert files - {wheel} == {
        ".dockerignore",
        ".env.example",
        ".github/workflows/ci.yml",
        ".gitignore",
        "Dockerfile",
        "README.md",
        "docker-compose.yml",
        "pyproject.toml",
        "services/__init__.py",
        "services/payments/README.md",
        "services/payments/__init__.py",
        "services/payments/consumers.py",
        "services/payments/contracts.py",
        "services/payments/producer.py",
        "services/payments/service.py",
        "services/payments/settings.py",
        "tests/__init__.py",
        "tests/payments/test_handle_request.py",
        "tests/payments/test_on_rabbitmq.py",
    }


def test_a_dry_run_shows_the_tree_and_the_diff_and_writes_nothing(shop: Workshop) -> None:
    before = shop.files()
    shown = shop.new("consumer", "payments", "SendReceipt", "--on", "payments.done", "--dry-run")
    assert "    tests/\n      payments/\n      + test_send_receipt.py" in shown
    assert "-        consumers=[HandleRequest(retry)],\n" in shown
    assert "+        consumers=[HandleRequest(retry), SendReceipt()],\n" in shown
    assert shop.files() == before
