"""What is put into a module that exists, without touching the rest of it.

Receives a module's text and what to add, hands the text with that in it. Places are found with
`ast`; nothing else is moved or laid out anew, but the one list or call that would get too long.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.scaffold.errors import UneditableError
from toolkit.scaffold.style import Style

Import = ast.Import | ast.ImportFrom
Placed = ast.stmt | ast.expr | ast.keyword


@dataclass(slots=True)
class Module:
    """A module's text, on its way to another one."""

    path: Path
    """For errors."""
    text: str
    style: Style

    @property
    def tree(self) -> ast.Module:
        """What is in it now. Raises UneditableError for what isn't Python."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError) as error:
            raise self._unfit(f"it is not valid Python: {error}", "put that right") from error

    @property
    def names(self) -> set[str]:
        """What is defined or imported at its top."""
        return {name for statement in self.tree.body for name in names_of(statement)}

    def segment(self, node: Placed) -> str:
        """A part of it, as it is written."""
        start, end = self._span(node)
        return self.text[start:end]

    # ------------------------------------------------------------------------ definitions

    def add_at_end(self, code: str) -> None:
        """A definition, after everything else."""
        self.text = f"{self.text.rstrip()}\n\n\n{code.strip()}\n"
        _ = self.tree

    def add_attribute(self, class_name: str, line: str) -> None:
        """One more attribute of a class, after the others. Raises UneditableError."""
        klass = self._klass(class_name)
        first = klass.body[0]
        if first.lineno == klass.lineno:
            raise self._unfit(
                f"the class {class_name} has no lines of its own",
                f"give it a docstring, and then the line: {line}",
            )
        line = f"{' ' * first.col_offset}{line}"
        attributes = [one for one in klass.body if isinstance(one, ast.Assign | ast.AnnAssign)]
        if attributes:
            self._insert(line, after=attributes[-1])
        elif ast.get_docstring(klass) is not None:
            self._insert(f"\n{line}", after=first)
        else:
            self._insert(f"{line}\n", before=first)
        _ = self.tree

    def _klass(self, name: str) -> ast.ClassDef:
        for statement in self.tree.body:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                return statement
        raise self._unfit(f"there is no class {name} in it", "name one that is there")

    # ------------------------------------------------------------------------ the service

    def add_to_service(self, keyword: str, item: str) -> None:
        """An entry of `Service(..., keyword=[...])`. Raises UneditableError."""
        call = self._service_call()
        value = next((one.value for one in call.keywords if one.arg == keyword), None)
        if value is None:
            self._append(call, [*call.args, *call.keywords], f"{keyword}=[{item}]")
        elif isinstance(value, ast.List):
            self._append(value, value.elts, item)
        else:
            raise self._unfit(
                f"{keyword}= of Service(...) is no list that is written there",
                f"write {keyword}=[...] there, or add {item} by hand",
            )
        self._shorten()
        _ = self.tree

    def _service_call(self) -> ast.Call:
        calls = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("Service", "toolkit.Service")
        ]
        if len(calls) != 1:
            raise self._unfit(
                f"Service(...) is called {len(calls)} times in it",
                "write it once, so that it is clear where something new goes",
            )
        return calls[0]

    def _append(self, node: ast.List | ast.Call, parts: Sequence[Placed], item: str) -> None:
        """One more part, on a line of its own if the others are."""
        end = self._span(node)[1] - 1
        last = self._span(parts[-1])[1] if parts else end
        rest = self.text[last:end]
        if "\n" in rest and "," in rest.partition("#")[0]:
            line_end = self.text.index("\n", last)
            self._put(line_end, line_end, f"\n{self._indent(parts[-1])}{item},")
        elif "#" in rest:
            self._put(last, last, f", {item}")
        else:
            self._put(last, end, f", {item}" if parts else item)

    def _shorten(self) -> None:
        """What is too long now gets a line for each of its parts: the call, then its lists."""
        call = self._service_call()
        self._explode_if_long(call, [*call.args, *call.keywords], self._span(call.func)[1] + 1)
        for place in range(len(call.keywords)):
            value = self._service_call().keywords[place].value
            if isinstance(value, ast.List):
                self._explode_if_long(value, value.elts, self._span(value)[0] + 1)

    def _explode_if_long(self, node: ast.expr, parts: Sequence[Placed], start: int) -> None:
        end = self._span(node)[1] - 1
        lines = self.text.splitlines()[node.lineno - 1 : node.end_lineno]
        written = [self.segment(part) for part in parts]
        is_long = any(len(line) > self.style.width for line in lines)
        can_be = parts and not any("\n" in one for one in written) and "#" not in "".join(lines)
        is_exploded = self.text[start:end].rstrip().endswith(",")
        if is_long and can_be and not is_exploded:
            indent = self._indent(node)
            inside = "".join(f"\n{indent}    {one}," for one in written)
            self._put(start, end, f"{inside}\n{indent}")

    # ------------------------------------------------------------------------ modules used

    def add_import(self, module: str, name: str | None = None) -> None:
        """`from module import name`, or `import module`, in its place among the others."""
        imports = [s for s in self.tree.body if isinstance(s, Import)]
        for statement in imports:
            if _module_of(statement) == module and (name is None) == isinstance(
                statement, ast.Import
            ):
                written = [ast.unparse(alias) for alias in statement.names]
                if name is None or name in written:
                    return
                if "#" not in self.segment(statement):
                    names = sorted([*written, name], key=_rank)
                    widened = import_from(module, names, self.style.width)
                    self._put(*self._span(statement), widened)
                    return
        line = f"from {module} import {name}" if name else f"import {module}"
        self._insert_import(imports, line, (self.style.group(module), name is not None, module))

    def _insert_import(
        self, imports: Sequence[Import], line: str, key: tuple[int, bool, str]
    ) -> None:
        known = [(self._key(statement), statement) for statement in imports]
        above = [statement for other, statement in known if other <= key]
        below = [statement for other, statement in known if other > key]
        if above and self._key(above[-1])[0] == key[0]:
            self._insert(line, after=above[-1])
        elif below and self._key(below[0])[0] == key[0]:
            self._insert(line, before=below[0])
        elif above:
            self._insert(f"\n{line}", after=above[-1])
        elif below:
            self._insert(f"{line}\n", before=below[0])
        elif ast.get_docstring(self.tree) is not None:
            self._insert(f"\n{line}", after=self.tree.body[0])
        else:
            self.text = f"{line}\n\n\n{self.text.lstrip()}"

    def _key(self, statement: Import) -> tuple[int, bool, str]:
        module = _module_of(statement)
        is_from = isinstance(statement, ast.ImportFrom)
        return (-1 if module == "__future__" else self.style.group(module), is_from, module)

    # ------------------------------------------------------------------------ places

    def _span(self, node: Placed) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno, node.end_col_offset),
        )

    def _offset(self, line: int, column: int) -> int:
        """In characters; `ast` counts lines from one, and bytes within them."""
        lines = self.text.splitlines(keepends=True)
        return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())

    def _indent(self, node: Placed) -> str:
        line = self.text.splitlines()[node.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def _put(self, start: int, end: int, text: str) -> None:
        self.text = f"{self.text[:start]}{text}{self.text[end:]}"

    def _insert(
        self, line: str, *, after: ast.stmt | None = None, before: ast.stmt | None = None
    ) -> None:
        lines = self.text.splitlines(keepends=True)
        if after is not None:
            assert after.end_lineno is not None
            place = after.end_lineno
            lines[place - 1] = lines[place - 1].rstrip() + "\n"
        else:
            assert before is not None
            place = before.lineno - 1
        lines.insert(place, f"{line}\n")
        self.text = "".join(lines)

    def _unfit(self, problem: str, todo: str) -> UneditableError:
        return UneditableError(self.path, problem, todo)


def arranged(text: str, style: Style) -> str:
    """A new module, its imports in the order that this project keeps."""
    new = Module(Path("a new module"), text, style)
    imports = [s for s in new.tree.body if isinstance(s, Import)]
    if not imports:
        return text
    first, last = imports[0].lineno, imports[-1].end_lineno
    lines = text.splitlines(keepends=True)
    new.text = f"{''.join(lines[: first - 1]).rstrip()}\n"
    for statement in imports:
        for alias in statement.names:
            if isinstance(statement, ast.Import):
                new.add_import(ast.unparse(alias))
            else:
                new.add_import(_module_of(statement), ast.unparse(alias))
    return f"{new.text.rstrip()}\n{''.join(lines[last:])}"


def import_from(module: str, names: Iterable[str], width: int) -> str:
    """The statement, on several lines if it must."""
    names = list(names)
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= width:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def names_of(statement: ast.stmt) -> Iterator[str]:
    """What a statement at the top of a module gives a name to."""
    match statement:
        case ast.Assign(targets=targets):
            nodes = (node for target in targets for node in ast.walk(target))
            yield from (node.id for node in nodes if isinstance(node, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name for alias in aliases)
        case _:
            named = getattr(statement, "name", None)  # a class, a function, a `type` alias
            if named is not None:
                yield named.id if isinstance(named, ast.Name) else named


def _module_of(statement: Import) -> str:
    if isinstance(statement, ast.Import):
        return statement.names[0].name
    return f"{'.' * statement.level}{statement.module or ''}"


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: isort's order within a statement."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return (kind, name.lower())
