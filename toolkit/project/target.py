"""From `module:service`, or a service's name, to a service.

Receives the text from the command line, hands a `Service` to whoever works with it.
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from toolkit.errors import ConfigurationError, ToolkitError
from toolkit.project.project import NoProjectError, Project
from toolkit.project.trace import trimmed
from toolkit.service import Service


class BrokenModuleError(ConfigurationError):
    """A service's own code raised while it was being imported or made."""

    def __init__(self, target: str, error: Exception) -> None:
        indented = trimmed(error).replace("\n", "\n    ")
        super().__init__(f"'{target}' can't be loaded: its own code fails", [indented])


def load(target: str) -> Service:
    """The service, or what a function of that name returns.

    Without a colon the text names a service of the project around the current folder. Raises
    `ConfigurationError` that names what is missing, `BrokenModuleError` with the traceback of what
    the service's own code raised.
    """
    if ":" not in target:
        target = _named(target)
    module_name, _, attribute = target.partition(":")
    if not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise _unnamed(target)
    try:
        found = _attribute(_module(module_name), attribute)
        if callable(found) and not isinstance(found, Service):
            found = _called(target, found)
    except ToolkitError:
        raise  # it says what is wrong by itself
    except Exception as error:
        raise BrokenModuleError(target, error) from error
    if not isinstance(found, Service):
        raise ConfigurationError(
            f"'{target}' can't be run",
            [f"it is a {type(found).__name__}; it must be a toolkit.Service or return one"],
        )
    return found


def _named(name: str) -> str:
    """The target of a service of this project."""
    try:
        project = Project.find()
    except NoProjectError:
        raise _unnamed(name) from None
    _look_in(project.root)
    return project.service(name).target


def _unnamed(target: str) -> ConfigurationError:
    return ConfigurationError(
        f"'{target}' names no service",
        ["write MODULE:NAME, such as 'shop.orders:make_service', or name a service of a project"],
    )


def _called(target: str, make: Callable[..., object]) -> object:
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ConfigurationError(
            f"'{target}' can't be run", [f"it can't be called without arguments: {error}"]
        ) from error
    return make()


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _module(name: str) -> ModuleType:
    here = Path.cwd()
    _look_in(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"there is no module '{name}'", [f"looked in {here} and in what is installed"]
            ) from error
        raise  # the module is there, and misses something itself


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            services = [n for n, value in vars(module).items() if isinstance(value, Service)]
            hint = f"it has {', '.join(services)}" if services else "it has no service at all"
            raise ConfigurationError(
                f"'{path}' can't be found in module '{module.__name__}'", [hint]
            ) from error
    return found
