"""One more producer of a service.

Receives a name and events, hands the class and its entry in the service to `Changes`.
"""

from collections.abc import Sequence

from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.contract import find_own
from toolkit.scaffold.name import class_name, sentence, snake
from toolkit.scaffold.shape import Shape
from toolkit.scaffold.template import code


def new_producer(
    project: Project, service: str, typed: str, *, publishes: Sequence[str]
) -> Changes:
    """A producer of events that the service has.

    Raises WrongNameError, UnknownEventError, and ConfigurationError for what is taken or can't be
    added to.
    """
    shape = Shape.of(project, service)
    name = class_name(typed, of="a producer")
    shape.refuse_taken(name, "producer", "contracts", "service")
    messages = [find_own(project, one, by=shape.entry) for one in dict.fromkeys(publishes)]
    producer = shape.module("producer")
    producer.add_import("toolkit", "Producer")
    lines = []
    for one in messages:
        declares = "Publishes" if one.kind == "Event" else "Sends"
        producer.add_import("toolkit", declares)
        producer.add_import(".contracts", one.klass)
        lines.append(f"{snake(one.klass)} = {declares}({one.klass})")
    producer.add_at_end(
        code("parts/producer.py", shape.style, klass=name, sentence=sentence(name), lines=lines)
    )
    shape.put(producer)
    root = shape.module("service")
    root.add_import(".producer", name)
    root.add_to_service("producers", name)
    shape.put(root)
    return shape.changes
