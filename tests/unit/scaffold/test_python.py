"""What is put into a module: in its place, and nothing else is touched."""

from difflib import unified_diff
from pathlib import Path

import pytest

from toolkit.scaffold.errors import UneditableError
from toolkit.scaffold.python import Module, arranged
from toolkit.scaffold.style import Style

STYLE = Style(Path(), width=60, own=frozenset({"services"}))

SERVICE = '''"""Puts päyments together."""

from toolkit import Service  # all of it

from .consumers import (
    HandleRequest,
    # the rest follows
)


def make_service() -> Service:
    """Ää."""
    # laid out by hand:   so it stays
    x   =  1
    return Service("päyments", consumers=[HandleRequest(x)])
'''


JSON = "import json"
FUTURE = "from __future__ import annotations"
NEW = "from x import y"


def module(text: str) -> Module:
    return Module(Path("service.py"), text, STYLE)


def added(before: str, after: str) -> list[str]:
    """The lines that came and went."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


def in_service(arguments: str) -> Module:
    return module(f"from toolkit import Service\n\nservice = Service({arguments})\n")


@pytest.mark.parametrize(
    ("arguments", "becomes"),
    [
        ('"a"', '"a", consumers=[B()]'),
        ("", "consumers=[B()]"),
        ('"a", consumers=[]', '"a", consumers=[B()]'),
        ('"a", consumers=[A()], producers=[]', '"a", consumers=[A(), B()], producers=[]'),
        ('"a", consumers=[A(),]', '"a", consumers=[A(), B()]'),
        (
            '\n    "a",\n    consumers=[A()],  # one\n',
            '\n    "a",\n    consumers=[A(), B()],  # one\n',
        ),
        (
            '\n    "a",\n    consumers=[\n        A(),  # one\n    ],\n',
            '\n    "a",\n    consumers=[\n        A(),  # one\n        B(),\n    ],\n',
        ),
        ('\n    "a",  # its name\n', '\n    "a",  # its name\n    consumers=[B()],\n'),
        ('\n    "a"\n', '\n    "a", consumers=[B()]'),
    ],
)
def test_an_entry_goes_to_the_end_of_its_list(arguments: str, becomes: str) -> None:
    """Wherever the list is, and whether or not there is one."""
    changed = in_service(arguments)
    changed.add_to_service("consumers", "B()")
    assert changed.text == in_service(becomes).text


def test_a_list_that_gets_too_long_is_laid_out_anew_and_nothing_else_is() -> None:
    """First the call, then the list, as ruff would do it."""
    changed = module(SERVICE)
    changed.add_to_service("consumers", "SendReceipt()")
    assert added(SERVICE, changed.text) == [
        '-    return Service("päyments", consumers=[HandleRequest(x)])',
        "+    return Service(",
        '+        "päyments",',
        "+        consumers=[HandleRequest(x), SendReceipt()],",
        "+    )",
    ]
    before = changed.text
    changed.add_to_service("consumers", "SendAnother()")
    assert added(before, changed.text) == [
        "-        consumers=[HandleRequest(x), SendReceipt()],",
        "+        consumers=[",
        "+            HandleRequest(x),",
        "+            SendReceipt(),",
        "+            SendAnother(),",
        "+        ],",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('service = Service("a", consumers=all_of_them)', "write consumers=[...] there"),
        ('service = Service("a", consumers=(A(),))', "write consumers=[...] there"),
        ("service = make()", "is called 0 times"),
        ('a, b = Service("a"), Service("b")', "is called 2 times"),
        ("def", "not valid Python"),
    ],
)
def test_where_there_is_no_place_for_it_the_error_says_what_to_do(text: str, said: str) -> None:
    with pytest.raises(UneditableError, match=r"service\.py can't be added to") as refused:
        module(text).add_to_service("consumers", "B()")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        ('    """Doc."""\n', '    """Doc."""\n\n    b = 1\n'),
        ('    """Doc."""\n\n    a = 0\n', '    """Doc."""\n\n    a = 0\n    b = 1\n'),
        ("    a = 0  # x\n    # y\n", "    a = 0  # x\n    b = 1\n    # y\n"),
        (
            "    a = 0\n\n    def m(self): ...\n",
            "    a = 0\n    b = 1\n\n    def m(self): ...\n",
        ),
        ("    def m(self): ...\n", "    b = 1\n\n    def m(self): ...\n"),
    ],
)
def test_an_attribute_comes_after_the_others(body: str, becomes: str) -> None:
    changed = module(f"class A:\n{body}")
    changed.add_attribute("A", "b = 1")
    assert changed.text == f"class A:\n{becomes}"


def test_a_class_on_one_line_has_no_place_for_an_attribute() -> None:
    with pytest.raises(UneditableError, match="has no lines of its own"):
        module("class A: ...\n").add_attribute("A", "b = 1")
    with pytest.raises(UneditableError, match="there is no class B"):
        module("class A: ...\n").add_attribute("B", "b = 1")


@pytest.mark.parametrize(
    ("imports", "new", "becomes"),
    [
        ("from a import b", ("a", "b"), "from a import b"),
        ("from a import b", ("a", "C"), "from a import C, b"),
        ("from a import b, d as e", ("a", "c"), "from a import b, c, d as e"),
        ("from a import b  # why", ("a", "c"), "from a import b, c  # why"),
        (
            "from a import (\n    b,  # why\n)",
            ("a", "c"),
            "from a import (\n    b,  # why\n)\nfrom a import c",
        ),
        ("import json", ("uuid", "UUID"), "import json\nfrom uuid import UUID"),
        ("from uuid import UUID", ("json", None), "import json\nfrom uuid import UUID"),
        ("import json", ("json", None), "import json"),
        ("import json", ("pydantic", "X"), "import json\n\nfrom pydantic import X"),
        ("from pydantic import X", ("json", None), "import json\n\nfrom pydantic import X"),
        (f"{JSON}\n\nfrom .a import b", ("x", "y"), f"{JSON}\n\n{NEW}\n\nfrom .a import b"),
        (FUTURE, ("x", "y"), f"{FUTURE}\n\n{NEW}"),
        ("from services.a import b", ("x", "y"), "from x import y\n\nfrom services.a import b"),
        (
            "from a import one_that_is_long, another_that_is_longer",
            ("a", "third"),
            "from a import (\n    another_that_is_longer,\n    one_that_is_long,\n    third,\n)",
        ),
    ],
)  # fmt: skip
def test_an_import_goes_where_isort_would_have_it(
    imports: str, new: tuple[str, str | None], becomes: str
) -> None:
    changed = module(f'"""Doc."""\n\n{imports}\n\n\nx = 1\n')
    changed.add_import(*new)
    assert changed.text == f'"""Doc."""\n\n{becomes}\n\n\nx = 1\n'


def test_a_first_import_follows_the_docstring() -> None:
    changed = module('"""Doc."""\n\n\nclass A: ...\n')
    changed.add_import("json")
    assert changed.text == '"""Doc."""\n\nimport json\n\n\nclass A: ...\n'


def test_a_comment_on_an_import_stays() -> None:
    """A statement with a comment inside is not written anew."""
    changed = module(SERVICE)
    changed.add_import(".consumers", "SendReceipt")
    changed.add_import("toolkit", "Retry")
    assert added(SERVICE, changed.text) == [
        "-from toolkit import Service  # all of it",
        "+from toolkit import Retry, Service  # all of it",
        "+from .consumers import SendReceipt",
    ]


def test_a_new_module_has_its_imports_in_order() -> None:
    """Those of one project's own packages apart from others."""
    text = (
        '"""Doc."""\n\nfrom toolkit import B, A\nimport json\nfrom services.x import y\n\nx = 1\n'
    )
    assert arranged(text, STYLE) == (
        f'"""Doc."""\n\n{JSON}\n\nfrom toolkit import A, B\n\nfrom services.x import y\n\nx = 1\n'
    )
