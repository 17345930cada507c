"""From `module:service` to a service.

Receives the text from the command line, hands a `Service` to the runner.
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from toolkit.errors import ConfigurationError
from toolkit.service import Service


def load(target: str) -> Service:
    """The service, or what a function of that name returns.

    Raises `ConfigurationError` that names what is missing.
    """
    module_name, _, attribute = target.partition(":")
    if not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationError(
            f"'{target}' names no service", ["write MODULE:NAME, such as 'shop.orders:service'"]
        )
    found = _attribute(_module(module_name), attribute)
    if callable(found) and not isinstance(found, Service):
        found = _called(target, found)
    if not isinstance(found, Service):
        raise ConfigurationError(
            f"'{target}' can't be run",
            [f"it is a {type(found).__name__}; it must be a toolkit.Service or return one"],
        )
    return found


def _called(target: str, make: Callable[..., object]) -> object:
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ConfigurationError(
            f"'{target}' can't be run", [f"it can't be called without arguments: {error}"]
        ) from error
    return make()


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"there is no module '{name}'", [f"looked in {here} and in what is installed"]
            ) from error
        raise  # the module is there, and misses something itself: its own traceback says what


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
