"""All of it: the services, the eye on their code, and a clean end.

Receives a project and a broker's address, hands lines to the console until it is told to stop.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from watchfiles import awatch

from toolkit.development.broker import Place, noted
from toolkit.development.change import concerned, described, is_code, may_hold_code, watched
from toolkit.development.console import Console
from toolkit.development.process import ServiceProcess
from toolkit.embedded import EmbeddedBroker
from toolkit.errors import ToolkitError
from toolkit.observability.logging import without_passwords
from toolkit.project import Project
from toolkit.testing.broker.keeper import Keeper

_DEBOUNCE = 200  # milliseconds: editors save in several steps
_SETTLED = 1.0  # seconds until a new folder is looked into once more


class Session:
    """`names` are the services that were asked for; without any, all there are and will be."""

    def __init__(self, project: Project, names: Sequence[str], amqp_url: str) -> None:
        self._project = project
        self._names = tuple(names)
        self._chosen = project.chosen(names)
        self.console = Console([entry.name for entry in self._chosen])
        self._environment = _environment(amqp_url, is_coloured=self.console.is_coloured)
        self._running: dict[str, tuple[ServiceProcess, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._signals = 0
        self._stop = asyncio.Event()

    def introduce(self, broker: str) -> None:
        """What was found."""
        tell = self.console.say
        tell(f"project  {self._project.root}")
        tell(f"broker   {broker}")
        for entry in self._chosen:
            tell(f"service  {entry.name} (found: {entry.found})")
        if not self._chosen:
            tell("service  none yet: toolkit new service NAME, and it starts by itself")
        tell("watching for changes; Ctrl-C stops")

    async def run(self) -> None:
        """Until SIGINT or SIGTERM, which stops the services in order; another one kills them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        with Keeper() as keeper:
            self._follow(keeper)
            watching = asyncio.create_task(self._watch(keeper))
            stopping = asyncio.create_task(self._stop.wait())
            try:
                await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                self._stop.set()
                await self._end()
            await watching

    def _on_signal(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self.console.say("stopping; once more kills what is left")
        else:
            for process, _ in self._running.values():
                process.kill()
        self._stop.set()

    async def _end(self) -> None:
        for _, task in self._running.values():
            self._leave(task)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _leave(self, task: asyncio.Task[None]) -> None:
        """It takes a while: a service that stops finishes what it is at."""
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _watch(self, keeper: Keeper) -> None:
        async for changes in awatch(
            *watched(self._project),
            watch_filter=lambda _, path: self._matters(Path(path)),
            stop_event=self._stop,
            step=_DEBOUNCE,
        ):
            self._change(frozenset(Path(path) for _, path in changes), keeper)

    def _matters(self, path: Path) -> bool:
        inside = path.is_relative_to(self._project.root)
        root = self._project.root if inside else path.parent
        return is_code(path, root) or may_hold_code(path, root)

    def _change(self, paths: frozenset[Path], keeper: Keeper) -> None:
        known = set(self._running)
        self._look(keeper)
        files = frozenset(path for path in paths if not path.is_dir())
        if files != paths:
            asyncio.get_running_loop().call_later(_SETTLED, self._look, keeper)
        for name in concerned(files, self._project) & known & set(self._running):
            process, _ = self._running[name]
            process.change(described(files, process.entry, self._project.root))

    def _look(self, keeper: Keeper) -> None:
        """Which services there are now."""
        if self._stop.is_set():
            return
        try:
            self._project = Project.find(self._project.root)
            self._chosen = self._project.chosen(self._names)
        except ToolkitError as error:  # half of it is written; the next save may mend it
            self.console.say(str(error))
        self._follow(keeper)

    def _follow(self, keeper: Keeper) -> None:
        """Starts what is new, and ends what is gone."""
        entries = {entry.name: entry for entry in self._chosen}
        for name in self._running.keys() - entries.keys():
            self.console.say(f"{name}: is gone")
            _, task = self._running.pop(name)
            self._leave(task)
        for name, entry in entries.items():
            if name in self._running:
                continue
            process = ServiceProcess(
                entry,
                root=self._project.root,
                environment=self._environment,
                console=self.console,
                keeper=keeper,
            )
            task = asyncio.create_task(process.keep(), name=f"keep {name}")
            self._running[name] = process, task


async def develop(project: Project, names: Sequence[str], place: Place) -> None:
    """A session of these services with this broker, until a signal."""
    async with AsyncExitStack() as stack:
        url = place.amqp_url
        if url is None:
            url = (await stack.enter_async_context(EmbeddedBroker())).url
        session = Session(project, names, url)
        session.introduce(f"{place.description}: {without_passwords(url)}")
        stack.enter_context(noted(project.root, url, place.management_url, session.console.say))
        await session.run()


def _environment(amqp_url: str, *, is_coloured: bool) -> dict[str, str]:
    """What the services' processes get: ours, with the broker, and logs that people read."""
    return {
        "TOOLKIT_LOG_FORMAT": "pretty",
        "PYTHONUNBUFFERED": "1",
        **({"FORCE_COLOR": "1"} if is_coloured else {}),
        **os.environ,
        "TOOLKIT_AMQP_URL": amqp_url,
    }
