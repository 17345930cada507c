"""One more consumer of a service.

Receives a name and an event, hands the class, its entry in the service and its test to `Changes`;
and the service's own copy of the event, if that is another's.
"""

from pathlib import Path

from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.contract import Known, copy_into, find
from toolkit.scaffold.name import class_name, sentence, snake
from toolkit.scaffold.python import Module
from toolkit.scaffold.sample import sample
from toolkit.scaffold.shape import Shape
from toolkit.scaffold.template import code


def new_consumer(project: Project, service: str, typed: str, *, on: str) -> Changes:
    """A consumer of one event.

    Raises WrongNameError, UnknownEventError, and ConfigurationError for what is taken, can't be
    added to, or can't be tested because no sample of the event can be made up.
    """
    shape = Shape.of(project, service)
    name = class_name(typed, of="a consumer")
    shape.refuse_taken(name, "consumers", "contracts", "service")
    event = find(project, on, by=shape.entry)
    contracts = shape.module("contracts")
    if event.service != shape.entry.name:
        other = Shape.of(project, event.service)
        copy_into(contracts, event, other.module("contracts"), shape.style)
        shape.put(contracts)
    _add_class(shape, name, event)
    _add_to_service(shape, name)
    _add_test(shape, name, event, contracts)
    return shape.changes


def _add_class(shape: Shape, name: str, event: Known) -> None:
    consumers = shape.module("consumers")
    consumers.add_import("toolkit", "Consumer")
    consumers.add_import("toolkit", "Context")
    consumers.add_import(".contracts", event.klass)
    consumers.add_at_end(
        code(
            "parts/consumer.py",
            shape.style,
            klass=name,
            event=event,
            sentence=sentence(name),
        )
    )
    shape.put(consumers)


def _add_to_service(shape: Shape, name: str) -> None:
    service = shape.module("service")
    service.add_import(".consumers", name)
    service.add_to_service("consumers", f"{name}()")
    shape.put(service)


def _add_test(shape: Shape, name: str, event: Known, contracts: Module) -> None:
    path = shape.tests / f"test_{snake(name)}.py"
    root: Path = shape.project.root
    message = sample(contracts.text, event.klass, package=shape.package, root=root)
    text = code(
        "parts/test_consumer.py",
        shape.style,
        klass=name,
        event=event,
        sentence=sentence(name),
        package=shape.package,
        service=shape.entry.name,
        message=repr(message),
        verb="publish" if event.kind == "Event" else "send",
    )
    shape.changes.create(path, text)
