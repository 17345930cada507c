"""One more event of a service.

Receives a name and fields, hands the contract, and the line of its producer, to `Changes`.
"""

import ast
from collections.abc import Sequence

from toolkit.errors import ConfigurationError
from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.contract import known_in
from toolkit.scaffold.errors import WrongNameError
from toolkit.scaffold.field import fields
from toolkit.scaffold.name import class_name, sentence, snake, wire_name
from toolkit.scaffold.python import Module
from toolkit.scaffold.shape import Shape
from toolkit.scaffold.template import code
from toolkit.topology.naming import kebab


def new_event(
    project: Project, service: str, typed: str, *, with_fields: Sequence[str], wire: str | None
) -> Changes:
    """A contract that the service owns. Its producer, if it has exactly one, publishes it.

    Raises WrongNameError for names and fields, ConfigurationError for what is taken.
    """
    shape = Shape.of(project, service)
    name = class_name(typed, of="an event")
    found = fields(with_fields)
    wire = wire_name(wire or f"{shape.entry.name}.{kebab(name)}")
    for known in known_in(shape.entry, project.root):
        if known.wire == wire:
            raise ConfigurationError(
                f"{shape.path('contracts')} has '{wire}' already: {known.klass}",
                ["choose another name, or give the new one a name of its own with --name"],
            )
    shape.refuse_taken(name, "contracts", "producer")
    if name in (imported for one in found for _, imported in one.imports):
        raise WrongNameError(f"'{name}' is a type that its fields need: choose another name")
    contracts = shape.module("contracts")
    contracts.add_import("toolkit", "Event")
    for one in found:
        for module, imported in one.imports:
            contracts.add_import(module, imported)
    contracts.add_at_end(
        code(
            "parts/event.py",
            shape.style,
            klass=name,
            sentence=sentence(name),
            wire=wire,
            fields=found,
        )
    )
    shape.put(contracts)
    _publish(shape, name)
    return shape.changes


def _publish(shape: Shape, klass: str) -> None:
    if not shape.changes.has(shape.path("producer")):
        return
    producer = shape.module("producer")
    classes = producers_in(producer)
    if len(classes) == 1:
        (only,) = classes
        producer.add_import("toolkit", "Publishes")
        producer.add_import(".contracts", klass)
        producer.add_attribute(only, f"{snake(klass)} = Publishes({klass})")
        shape.put(producer)


def producers_in(module: Module) -> list[str]:
    """The classes in it that derive from Producer."""
    return [
        statement.name
        for statement in module.tree.body
        if isinstance(statement, ast.ClassDef)
        and any(ast.unparse(base) in ("Producer", "toolkit.Producer") for base in statement.bases)
    ]
