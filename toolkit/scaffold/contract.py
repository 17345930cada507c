"""The events and commands that a project has, and a copy of one for another service.

Receives the contracts.py of each service, as text: nothing is imported. Hands consumers and
producers the class that they are about.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from toolkit.errors import ConfigurationError
from toolkit.project import Project, ServiceEntry
from toolkit.scaffold.errors import UneditableError
from toolkit.scaffold.python import Import, Module, names_of
from toolkit.scaffold.style import Style, style_of


@dataclass(frozen=True, slots=True)
class Known:
    """A contract, where it was found."""

    service: str
    klass: str
    wire: str
    kind: str
    """`Event` or `Command`."""
    is_published: bool
    """Whether a producer of that service says so: then the service owns it."""


class UnknownEventError(ConfigurationError):
    """No service has an event of this name."""

    def __init__(self, wanted: str, known: Sequence[Known], *, where: str) -> None:
        names = sorted({name for one in known for name in (one.wire, one.klass)})
        near = get_close_matches(wanted, names, n=1, cutoff=0.5)
        listed = ", ".join(sorted({f"{one.wire} ({one.klass})" for one in known}))
        problems = [f"did you mean {near[0]}?"] if near else []
        problems += [f"{where} has {listed or 'none yet'}"]
        problems += ["make one: toolkit new event SERVICE NAME field:type"]
        super().__init__(f"there is no event '{wanted}'", problems)


def known_in(entry: ServiceEntry, root: Path) -> tuple[Known, ...]:
    """The contracts of one service, in their order."""
    module = _module(entry, "contracts", root)
    if module is None:
        return ()
    producer = _module(entry, "producer", root)
    published = set(_published(producer.tree)) if producer else set[str]()
    return tuple(
        Known(entry.name, s.name, wire, kind, s.name in published)
        for s in module.tree.body
        if isinstance(s, ast.ClassDef)
        for wire, kind in _contract(s)
    )


def _contract(klass: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Its name on the wire and its kind, if it is a contract."""
    for keyword in klass.keywords:
        match keyword:
            case ast.keyword(arg="name", value=ast.Constant(value=str(wire))):
                bases = [ast.unparse(base).rpartition(".")[2] for base in klass.bases]
                yield wire, "Command" if "Command" in bases else "Event"


def _published(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Publishes" | "Sends"), args=[ast.Name(id=name), *_]):
                yield name


def _module(entry: ServiceEntry, name: str, root: Path) -> Module | None:
    path = entry.folder / f"{name}.py"
    if not path.is_file():
        return None
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    try:
        return Module(shown, path.read_text(encoding="utf-8"), style_of(root))
    except (OSError, ValueError) as error:
        raise UneditableError(shown, f"it can't be read: {error}", "put that right") from error


def find(project: Project, wanted: str, *, by: ServiceEntry) -> Known:
    """An event of this service, else one of another's. Raises UnknownEventError.

    By its name on the wire or by its class.
    """
    own = known_in(by, project.root)
    if found := _matching(own, wanted):
        return found[0]
    everywhere = [one for entry in project.services for one in known_in(entry, project.root)]
    found = _matching(everywhere, wanted)
    if not found:
        raise UnknownEventError(wanted, everywhere, where="this project")
    if len({one.wire for one in found}) > 1:
        named = ", ".join(f"{one.wire} of {one.service}" for one in found)
        raise ConfigurationError(
            f"there are several events '{wanted}'", [f"say which by its name: {named}"]
        )
    return max(found, key=lambda one: one.is_published)


def find_own(project: Project, wanted: str, *, by: ServiceEntry) -> Known:
    """An event of this service. Raises UnknownEventError."""
    own = known_in(by, project.root)
    if found := _matching(own, wanted):
        return found[0]
    raise UnknownEventError(wanted, own, where=f"the service '{by.name}'")


def _matching(known: Iterable[Known], wanted: str) -> list[Known]:
    return [one for one in known if wanted in (one.wire, one.klass)]


# ------------------------------------------------------------------------------------ a copy


def copy_into(target: Module, known: Known, source: Module, style: Style) -> None:
    """Adds a contract of another service to this one's, with all that it is made of.

    Raises UneditableError for what can't be taken along.
    """
    wanted = _closure(source, known.klass)
    for name, statement in wanted.items():
        if isinstance(statement, Import):
            _copy_import(target, statement, name, source)
    code, above = "", None
    for statement in _once(wanted.values()):
        if isinstance(statement, Import) or _is_there(target, statement):
            continue
        text = _with_comment(source, statement)
        if isinstance(statement, ast.ClassDef) and statement.name == known.klass:
            text = _owned(text, statement, known.service, style)
        code += f"{_gap(above, statement, text)}{text}"
        above = statement
    target.add_at_end(code)


def _gap(above: ast.stmt | None, statement: ast.stmt, text: str) -> str:
    """Between two definitions: as it was, where neither is a class."""
    if above is None:
        return ""
    if any(isinstance(one, ast.ClassDef | ast.FunctionDef) for one in (above, statement)):
        return "\n\n\n"
    begins = (statement.end_lineno or 0) - text.count("\n")
    return "\n" * min(begins - (above.end_lineno or 0), 3)


def _once(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    return sorted(set(statements), key=lambda statement: statement.lineno)


def _closure(source: Module, klass: str) -> dict[str, ast.stmt]:
    """Every name at the module's top that the class needs, with what defines it."""
    defined = {name: s for s in source.tree.body for name in names_of(s)}
    found = dict[str, ast.stmt]()
    waiting = [klass]
    while waiting:
        name = waiting.pop()
        if name in defined and name not in found:
            found[name] = defined[name]
            if not isinstance(defined[name], Import):
                waiting += _used(defined[name])
    return found


def _used(statement: ast.stmt) -> set[str]:
    nodes = list(ast.walk(statement))
    for node in list(nodes):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            nodes += _quoted_annotation(node.value)
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _quoted_annotation(text: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError):
        return []


def _copy_import(target: Module, statement: Import, name: str, source: Module) -> None:
    if isinstance(statement, ast.Import):
        (alias,) = (a for a in statement.names if name in (a.asname, a.name.partition(".")[0]))
        target.add_import(ast.unparse(alias))
        return
    package = (statement.module or "").partition(".")[0]
    if statement.level or package == source.path.parts[0]:
        raise UneditableError(
            target.path,
            f"{name} in {source.path} comes from another module of that service",
            "services never import one another: write the copy by hand, without it",
        )
    (alias,) = (a for a in statement.names if name in (a.asname, a.name))
    target.add_import(statement.module or "", ast.unparse(alias))


def _is_there(target: Module, statement: ast.stmt) -> bool:
    """Whether the target has the same already. Raises UneditableError if it has another."""
    names = set(names_of(statement))
    for other in target.tree.body:
        if names & set(names_of(other)):
            if _meaning(other) == _meaning(statement):
                return True
            raise UneditableError(
                target.path,
                f"it has another {', '.join(names & set(names_of(other)))} already",
                "rename one of the two, so that the copy can keep its name",
            )
    return False


def _meaning(statement: ast.stmt) -> str:
    """The code, docstrings apart."""
    if isinstance(statement, ast.ClassDef) and ast.get_docstring(statement) is not None:
        return ast.dump(
            ast.ClassDef(
                name=statement.name,
                bases=statement.bases,
                keywords=statement.keywords,
                body=statement.body[1:],
                decorator_list=statement.decorator_list,
            )
        )
    return ast.dump(statement)


def _with_comment(source: Module, statement: ast.stmt) -> str:
    """Its text, with its decorators and the lines of comment right above it."""
    lines = source.text.splitlines()
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(one.lineno for one in decorators)])
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return "\n".join(lines[first - 1 : statement.end_lineno])


def _owned(code: str, klass: ast.ClassDef, owner: str, style: Style) -> str:
    """The class, with the owner in its docstring."""
    docstring = ast.get_docstring(klass)
    lines = code.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"class {klass.name}"))
    body = klass.body[0]
    place = start + body.lineno - klass.lineno
    indent = " " * body.col_offset
    if docstring is None:
        lines.insert(place, f'{indent}"""Owned by {owner}."""\n')
    elif "Owned by" not in docstring:
        end = start + (body.end_lineno or body.lineno) - klass.lineno
        lines[place : end + 1] = _told(docstring, f"Owned by {owner}.", indent, style.width)
    return "\n".join(lines)


def _told(docstring: str, owner: str, indent: str, width: int) -> list[str]:
    line = f'{indent}"""{docstring} {owner}"""'
    if "\n" not in docstring and len(line) <= width:
        return [line]
    body = "\n".join(f"{indent}{one}" if one else "" for one in docstring.splitlines()[1:])
    first = f'{indent}"""{docstring.splitlines()[0]}'
    return [first, *([body] if body else []), "", f"{indent}{owner}", f'{indent}"""']
