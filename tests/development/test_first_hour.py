"""The first hour, as it is typed: a project, a service, events, and a consumer that is new."""

import asyncio
import re
from pathlib import Path

from tests.development.workshop import Workshop
from tests.hostile.waiting import eventually
from tests.operations.typed import Terminal

_LONG = 60.0  # seconds: much more than anything here takes
_ID = re.compile(r"message_id=(\w+)")
_WRITING = """\
        with open("notified", "a") as file:  # noqa: ASYNC230 - a test reads it
            file.write(f"{message.reference}\\n")
"""


async def test_a_new_consumer_gets_every_event_from_its_first_start_on(tmp_path: Path) -> None:
    """Added and edited while `toolkit dev` runs and events keep coming: none of those that were
    published after its queue was there is lost.
    """
    await typed(Terminal(tmp_path), "new", "project", "shop")
    terminal = Terminal(tmp_path / "shop")
    await typed(terminal, "new", "service", "payments")
    workshop = Workshop(terminal.folder)
    async with workshop.developing("--broker", "memory"):
        await eventually(lambda: "service started" in workshop.screen, within=_LONG)
        await typed(terminal, "publish", "payments.requested", '{"reference": "first"}')
        await eventually(lambda: "reference=first" in workshop.screen, within=_LONG)

        await typed(
            terminal, "new", "consumer", "payments", "NotifyCustomer", "--on", "payments.done"
        )
        queue = "consuming payments.notify-customer"
        await eventually(lambda: queue in workshop.screen, within=_LONG)
        publishing = asyncio.create_task(
            typed(
                terminal,
                *("publish", "payments.requested", '{"reference": "second"}'),
                *("--count", "400", "--rate", "100"),
            )
        )
        code = terminal.folder / "services/payments/consumers.py"
        code.write_text(edited(code.read_text()))
        await eventually(lambda: workshop.screen.count(queue) == 2, within=_LONG)
        await publishing
        await eventually(lambda: handled(workshop) == 400, within=_LONG)
    assert (terminal.folder / "notified").exists()


async def typed(terminal: Terminal, *words: str) -> None:
    """A command that ends well."""
    ended = await terminal.run(*words)
    assert ended.code == 0, ended.errors


def edited(text: str) -> str:
    """The new consumer, writing down what it hears."""
    before, line, after = text.rpartition('        context.log.info("handled"')
    assert line
    return f"{before}{_WRITING}{line}{after}"


def handled(workshop: Workshop) -> int:
    """How many messages, by their ids: the code before the edit says so on the screen as well."""
    lines = [line for line in workshop.screen.splitlines() if "consumer=NotifyCustomer" in line]
    return len({found[1] for line in lines if (found := _ID.search(line))})
