"""Everything but migrating, as an operator types it."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from tests.operations.topology.place import Place
from toolkit.cli.main import app

Type = Callable[..., Result]

SHOP = """
import os
from toolkit import Consumer, Event, QueueOptions, Retry, Service, Settings

class Placed(Event, name="shop.placed"):
    number: int

class Handle(Consumer[Placed]):
    queue = QueueOptions(type=os.environ.get("TYPE", "quorum"))
    retry = Retry(immediately=0, after=(os.environ.get("RUNG", "1s"),))
    async def handle(self, message, context): ...

def make_service():
    return Service("shop", consumers=[Handle()], settings=Settings())
"""


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command sets logging up for its process, onto a stream that ends with it; tests share one
    process.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def toolkit(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """The command line, in a project with one service, on the case's virtual host."""
    package = tmp_path / "parts" / "shop"
    package.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit]\nservices = "parts"\n')
    (package / "service.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TOOLKIT_AMQP_URL", place.url)
    monkeypatch.setenv("TOOLKIT_MANAGEMENT_URL", place.management_url)

    def typed(*words: str, answer: str | None = None) -> Result:
        for name in [name for name in sys.modules if name.startswith("parts")]:
            monkeypatch.delitem(sys.modules, name)
        return CliRunner().invoke(app, ["topology", *words], input=answer)

    return typed


def test_what_is_missing_is_made_once(toolkit: Type, place: Place) -> None:
    """Diff says it, a dry run names it, apply makes it, and then there is nothing to do."""
    assert "queue 'shop.handle' isn't there" in toolkit("diff").stdout
    dry = toolkit("apply", "--dry-run")
    assert "would make quorum queue 'shop.handle'" in dry.stdout
    made = toolkit("apply")
    assert made.stdout == dry.stdout.replace("would make", "made")
    assert made.exit_code == 0
    everything = place.virtual_host.everything()
    assert toolkit("apply").stdout == ""
    assert place.virtual_host.everything() == everything
    equal = toolkit("diff")
    assert equal.exit_code == 0
    assert equal.stdout.startswith("equal: ")


def test_each_difference_says_what_to_do(
    toolkit: Type, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument, a lost binding, somebody's binding, an old rung, an unfinished migration."""
    monkeypatch.setenv("TYPE", "classic")
    monkeypatch.setenv("RUNG", "5s")
    toolkit("apply")
    monkeypatch.delenv("TYPE")
    monkeypatch.delenv("RUNG")
    toolkit("apply")
    place.virtual_host.bind("shop.handle", "shop.forgotten")
    place.virtual_host.add_queue("shop.handle.migrating", x_queue_type="quorum")
    result = toolkit("diff", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["not_compared"] is None
    found = {(one["what"], one["kind"], one["name"]): one for one in said["differences"]}
    assert set(found) == {
        ("different", "queue", "shop.handle"),
        ("unfinished", "queue", "shop.handle.migrating"),
        ("extra", "queue", "shop.delay.5s"),
        ("extra", "exchange", "shop.delay.5s"),
        ("extra", "binding", "shop.handle"),
    }
    kind = next(one for one in said["differences"] if "x-queue-type" in one["sentence"])
    assert "should be 'quorum', the broker has 'classic'" in kind["sentence"]
    assert kind["remedy"].startswith("`toolkit topology migrate shop.handle`")
    assert "a changed ladder has new rungs" in found["extra", "queue", "shop.delay.5s"]["sentence"]


def test_without_the_management_api_it_says_what_was_not_compared(
    toolkit: Type, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queues and exchanges are, by AMQP; apply makes sure of all bindings."""
    monkeypatch.setenv("TOOLKIT_MANAGEMENT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TYPE", "classic")
    applied = toolkit("apply")
    assert applied.exit_code == 0
    assert toolkit("diff").exit_code == 0
    monkeypatch.delenv("TYPE")
    result = toolkit("diff")
    assert result.exit_code == 1
    assert "bindings and extras weren't compared" in result.stderr
    assert "x-queue-type should be 'quorum'" in result.stdout
    for command in (["graph"], ["prune"], ["migrate", "shop.handle"]):
        refused = toolkit(*command)
        assert refused.exit_code == 69
        assert "rabbitmq-plugins enable rabbitmq_management" in refused.stderr


def test_leftovers_go_when_they_are_empty_and_only_then(
    toolkit: Type, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rung that holds nothing goes with its exchange, after a question; a queue with a message
    stays, and says why.
    """
    monkeypatch.setenv("RUNG", "5s")
    toolkit("apply")
    monkeypatch.delenv("RUNG")
    toolkit("apply")
    place.virtual_host.bind("shop.handle", "shop.forgotten")
    place.virtual_host.add_queue("shop.old", x_queue_type="classic")
    place.virtual_host.add_queue("shop.older", x_queue_type="classic")
    place.virtual_host.add_queue("shopping.list", x_queue_type="classic")
    place.put("shop.old", b"not yet")
    listed = toolkit("prune")
    assert listed.exit_code == 0
    for name in ("shop.delay.5s", "shop.old", "shop.older", "key 'shop.forgotten'"):
        assert name in listed.stdout
    assert "shopping" not in listed.stdout
    everything = place.virtual_host.everything()
    assert toolkit("prune", "--delete", answer="n\n").exit_code == 1
    assert place.virtual_host.everything() == everything
    pruned = toolkit("prune", "--delete", answer="y\n")
    assert pruned.exit_code == 1
    assert "queue 'shop.old' stays: " in pruned.output
    left = toolkit("prune")
    assert [line.split(" (")[0] for line in left.stdout.splitlines()] == ["queue 'shop.old'"]
    assert len(place.taken("shop.old")) == 1
    acts = [json.loads(line) for line in Path(".toolkit/audit.jsonl").read_text().splitlines()]
    deleted = {
        one["result"]["name"]
        for one in acts
        if one["act"] == "delete" and one.get("result", {}).get("stage") == "end"
    }
    assert deleted == {"shop.handle", "shop.delay.5s", "shop.older"}
    assert "***" in acts[0]["intent"]["broker"]


def test_what_is_there_is_drawn_with_its_counts(toolkit: Type, place: Place) -> None:
    """As text for Mermaid, and as a picture."""
    toolkit("apply")
    drawn = toolkit("graph")
    assert drawn.exit_code == 0
    assert drawn.stdout.startswith("flowchart LR\n")
    assert '[("shop.handle<br/>quorum, 0 messages, 0 consumers")]' in drawn.stdout
    assert '-->|"shop.placed"|' in drawn.stdout
    assert "0 messages, 0 consumers" in toolkit("graph", "--svg", "-").stdout


def test_definitions_are_imported_and_a_checking_service_starts(
    toolkit: Type, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rabbitmqctl where the broker is ours, else by the API; then the broker holds what is
    declared, and nothing else.
    """
    version = place.version
    words = ("definitions", "--vhost", place.virtual_host.name, "--for", version)
    result = toolkit(*words)
    place.import_definitions(json.loads(result.stdout))
    assert toolkit("diff").exit_code == 0
    monkeypatch.setenv("TOOLKIT_TOPOLOGY", "check")
    place.start_and_stop("parts.shop.service:make_service")


def test_a_user_with_these_permissions_can_run_the_service(
    toolkit: Type, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that makes its topology; and one that leaves that to others, which configures nothing."""
    for mode in ("declare", "check"):
        result = toolkit("permissions", "--vhost", "v", "--mode", mode, "--json")
        (granted,) = json.loads(result.stdout)["permissions"]
        assert (granted["user"], granted["vhost"]) == ("shop", "v")
        assert (granted["configure"] == "^$") == (mode == "check")
        rights = {name: granted[name] for name in ("configure", "write", "read")}
        monkeypatch.setenv("TOOLKIT_AMQP_URL", place.virtual_host.url_for(**rights))
        monkeypatch.setenv("TOOLKIT_TOPOLOGY", mode)
        place.start_and_stop("parts.shop.service:make_service")
    lines = toolkit("permissions", "--user", "deployer").stdout
    assert lines.startswith("rabbitmqctl set_permissions -p / deployer '^(")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["migrate"], 2, "Missing argument"),
        (["migrate", "shop.handle", "--quiet", "soon"], 2, "--quiet"),
        (["migrate", "shop.handle", "--patience", "1ms"], 2, "at least 1s"),
        (["migrate", "shop.hnadle"], 78, "none of these services declares it"),
        (["diff", "shpo"], 78, "did you mean shop?"),
        (["definitions", "--for", "new"], 2, "is no version"),
        (["permissions", "--mode", "maybe"], 2, "--mode"),
        (["diff", "--broker", "memory://"], 78, "lives in another process"),
        (["diff", "--broker", "amqp://localhost:9"], 69, "can't be reached"),
    ],
)
def test_what_can_not_be_carried_out_says_why(
    toolkit: Type, words: list[str], code: int, said: str
) -> None:
    """In a sentence, and with a code."""
    result = toolkit(*words)
    assert said in " ".join(result.output.split())
    assert result.exit_code == code
