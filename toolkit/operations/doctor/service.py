"""The services of the project, or those that were named: whether they can be made at all.

Receives names, hands services to the looks that need one, and findings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.errors import ConfigurationError, SettingsError, ToolkitError
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import in_thread, looked
from toolkit.project import NoProjectError, Project, load
from toolkit.project.target import BrokenModuleError
from toolkit.service import Service
from toolkit.service.settings import Settings
from toolkit.transport.rabbitmq import redacted

CHECK = "project"

_PATIENCE = 20.0
"""Seconds for a module to be imported: it may bring a web framework and a database with it."""
_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclass(frozen=True, slots=True)
class Chosen:
    """A service to look at: as it is called, and as it is loaded."""

    name: str
    target: str


def project_here() -> tuple[Project | None, list[Finding]]:
    """The project around the current folder. Without one, the machine and the broker remain."""
    try:
        project = Project.find()
    except NoProjectError:
        sentence = "there is none here: only the machine and the broker are looked at"
        return None, [Finding(CHECK, "project", "note", sentence)]
    except ConfigurationError as error:
        return None, [_wrong("project", error)]
    known = ", ".join(entry.name for entry in project.services) or "none yet"
    return project, [Finding(CHECK, "project", "ok", f"{project.root}, services: {known}")]


def chosen(names: Sequence[str], project: Project | None) -> tuple[Chosen, ...]:
    """Those that were named, or all of the project. Raises UnknownServiceError."""
    if not names:
        return tuple(Chosen(e.name, e.name) for e in project.services) if project else ()
    return tuple(_one(name, project) for name in names)


def _one(name: str, project: Project | None) -> Chosen:
    if ":" in name or project is None:
        return Chosen(name, name)
    entry = project.service(name)
    return Chosen(entry.name, entry.name)


async def loaded(one: Chosen) -> tuple[Service | None, list[Finding]]:
    """The service, or why it can't be made."""
    made: list[Service] = []

    async def make() -> list[Finding]:
        try:
            made.append(await in_thread(lambda: load(one.target)))
        except SettingsError:
            unread = "not loaded: the settings can't be used"
            return [Finding(CHECK, one.name, "unknown", unread)]
        except BrokenModuleError as error:
            return [_broken(one.name, error)]
        except ToolkitError as error:
            return [_wrong(one.name, error)]
        return [_introduced(one.name, made[0])]

    found = await looked(CHECK, one.name, make(), within=_PATIENCE)
    return (made[0] if made else None), found


def _introduced(name: str, service: Service) -> Finding:
    has = f"consumers: {len(service.consumers)}, messages published: {len(service.published)}"
    return Finding(CHECK, name, "ok", f"service '{service.name}': {has}")


def elsewhere(name: str, service: Service, looked_at: tuple[str, ...]) -> list[Finding]:
    """A service with an address in its own code isn't seen where everything else is."""
    own = service.settings.urls
    if own in (looked_at, _urls_of_the_environment()):
        return []
    shown = ", ".join(map(redacted, own))
    sentence = f"its own address is {shown}, which isn't the one that is looked at here"
    fix = f"`toolkit doctor {name} --broker URL` looks there"
    return [Finding(CHECK, name, "note", sentence, fix)]


def _urls_of_the_environment() -> tuple[str, ...]:
    try:
        return Settings().urls
    except SettingsError:
        return ()  # with --broker, nobody else looks there


def _broken(name: str, error: BrokenModuleError) -> Finding:
    text = "\n".join(error.problems).rstrip()
    places = list(_PLACE.finditer(text))
    where = f"{places[-1]['file']}, line {places[-1]['line']}: " if places else ""
    raised = text.splitlines()[-1].strip()
    fix = f"mend it there; `toolkit run {name}` shows all of the traceback"
    return Finding(CHECK, name, "wrong", f"its own code fails: {where}{raised}", fix)


def _wrong(subject: str, error: ToolkitError) -> Finding:
    """Its subject and its problems, in one line."""
    if isinstance(error, ConfigurationError):
        sentence = f"{error.subject}: {'; '.join(error.problems)}"
    else:
        sentence = str(error)
    return Finding(CHECK, subject, "wrong", sentence)
