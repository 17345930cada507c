"""Filters say which letters are meant, and do nothing else; what is none is refused."""

import ast
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.operations.dead_letters.letters import letter
from toolkit.operations.dead_letters.expression import Filter, FilterError

NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)


def takes(text: str, **properties: object) -> bool:
    return Filter.parse(text)(letter(**properties), now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        'error.type == "Timeout" and message.total > 100',
        'error.type == "shop.errors.Timeout"',
        '"Time" in error.type and not replays',
        'error.type in ("Timeout", "Refused")',
        "100 < message.total <= 120",
        'message.customer.email == "ada@example.com"',
        'message.items[0].sku == "a" and message["items"][0]["sku"] != "b"',
        'failed.at > "2026-11-24" and failed.at < "2026-11-24T03:30"',
        'age > "1h59m" and age < "121m"',
        'failed.service == "billing" and failed.attempts >= 6',
        'headers["error-type"] and headers.attempts == 6',
        'lower(error.message) == "the bank took 31 s" and len(message.items) == 1',
        'startswith(type, "orders.") and id == "m-1" and queue == "billing.charge.dead"',
        'dead.reason == "failed" and dead.source == "toolkit"',
        "message.total not in [1, -2, 3.5]",
    ],
)
def test_what_is_true_of_a_letter_takes_it(text: str) -> None:
    """Of its fault record, its headers, its body and its age; what it denies doesn't."""
    assert takes(text)
    assert not takes(f"not ({text})")


@pytest.mark.parametrize(
    "text",
    [
        "message.discount > 1",
        "message.discount != 1",
        "message.discount == None",
        'message.total > "a lot"',
        "message.items[7].sku == 'a'",
        "message.total.cents == 1",
        "lower(message.total) == 'x'",
        "len(message.total) == 3",
    ],
)
def test_what_is_not_there_or_can_not_be_compared_is_not_true(text: str) -> None:
    """Whichever way it is asked."""
    assert not takes(text)


def test_a_body_that_is_no_json_has_nothing_in_it() -> None:
    """And a filter that doesn't ask for the body never decodes it."""
    for body in (b"\xff\xfe", b"", b"[" * 100_000):
        assert not takes("message.total > 1", body=body)
        assert takes('error.type == "Timeout"', body=body)


@pytest.mark.parametrize(
    ("text", "said", "caret"),
    [
        ('error.typ == "x"', "did you mean error.type?", "error"),
        ('eror.type == "x"', "did you mean error.type?", "eror"),
        ("failed.nowhere == 1", "failed.", "failed"),
        ('age > "2 hours"', "'2 hours' is no length of time", '"2'),
        ('failed.at > "yesterday"', "'yesterday' is no time", '"yes'),
        ("headers.x-y == 1", 'headers["x-y"]', "headers"),
        ("open('/etc/passwd')", "the only functions are lower, len, startswith", "open"),
        ('message.__class__ == "x"', "begin with __", "message"),
        ("message.total + 1 > 2", "no BinOp", "message"),
        ("id is None", "use ==", "id"),
        ("len(id, id) == 1", "len() takes 1", "len"),
        ("äö == 'ä' and error.typ == 1", "there is no 'äö'", "äö"),
        ("(lambda: 1)() == 1", "the only functions", "("),
        ("[x for x in message] == 1", "no ListComp", "["),
        ("f'{id}' == 1", "no JoinedStr", "f'"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, said: str, caret: str) -> None:
    """A caret stands below it."""
    with pytest.raises(FilterError) as caught:
        Filter.parse(text)
    first, shown, pointer = str(caught.value).splitlines()
    assert said in first
    assert shown[pointer.index("^") :].startswith(caret)


@pytest.mark.parametrize("text", ["", "and", "(" * 500, "not " * 400 + "id", "1" * 5_000, "'" * 9])
def test_what_can_not_be_read_is_refused(text: str) -> None:
    """Too long, too deep, or no expression at all."""
    with pytest.raises(FilterError):
        Filter.parse(text)


def test_too_much_is_refused() -> None:
    """Whatever it is made of."""
    for text in (" or ".join(["id"] * 400), f"id in ({'1,' * 400})", "message" + ".a" * 60):
        with pytest.raises(FilterError):
            Filter.parse(text)


_WORDS = st.sampled_from(
    [
        "and",
        "or",
        "not",
        "in",
        "is",
        "==",
        "!=",
        "<",
        ">",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        ";",
        ":=",
        "**",
        "@",
        "#",
        "\\",
        "'",
        '"',
        "0",
        "1",
        "1e9",
        "error",
        "type",
        "message",
        "headers",
        "age",
        "lower",
        "len",
        "startswith",
        "__import__",
        "__class__",
        "eval",
        "exec",
        "lambda",
        ":",
        "await",
        "yield",
        "from",
        "import",
        "f''",
        "b''",
        "...",
        "None",
        "True",
        "ä",
        "\n",
        "\x00",
        "~",
        "-",
    ]
)


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=80), st.lists(_WORDS, max_size=14).map(" ".join)))
@example("__import__('os').system('touch /tmp/x')")
@example("().__class__.__bases__[0].__subclasses__()")
@example("message.__init__.__globals__ == 1")
@example("error.type == 1 == [1, (2,)]")
@example("\x00")
@example("age > '9999999999d'")
@example("age > '999999999d'")
@example("not -id")
def test_random_text_is_a_filter_or_a_filter_error(text: str) -> None:
    """It never raises anything else, neither when it is read nor when it is asked."""
    try:
        one = Filter.parse(text)
    except FilterError:
        return
    assert one(letter(), now=NOW) in (True, False)


def test_nothing_but_the_list_gets_through() -> None:
    """Of all that Python's grammar has, whatever isn't on the list is refused."""
    for code in (
        "a := 1", "x if y else z", "{1: 2}", "{1}", "lambda: 1", "await x", "(yield)", "~id", "+id",
        "b'x' == id", "... == id", "1j == id", "id[1:2]", "*id,", "id.lower()", "len(x=id)",
        "lower(*message)", "headers[id] == 1", "[i for i in id]", "len == 1",
    ):  # fmt: skip
        with pytest.raises(FilterError):
            Filter.parse(code)
    assert isinstance(ast.parse("id == 1", mode="eval").body, ast.Compare)
