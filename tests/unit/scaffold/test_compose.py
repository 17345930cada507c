"""docker-compose.yml: one more entry, and not another byte."""

from pathlib import Path

import pytest

from toolkit.errors import ConfigurationError
from toolkit.scaffold.compose import ComposeFile
from toolkit.scaffold.errors import UneditableError

OURS = (Path(__file__).parents[3] / "docker-compose.yml").read_text()
ENTRY = "payments:\n  <<: *service\n  command: [a]\n"

SMALL = """\
x-service: &service {image: a}
services:
    a:
        <<: *service
        # the last of a
# before b

    b: {image: x} # b
        # within

# after

volumes: # kept
    a:
"""


def inserted(before: str, after: str) -> str:
    """What came in, in one piece."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before)
    )
    length = len(after) - len(before)
    # The piece may begin with what follows it: the first place where the rest fits is the one.
    while before[:start] + before[start:] != after[:start] + after[start + length :]:
        start -= 1
    return after[start : start + length]


def test_our_own_file_keeps_every_comment_and_anchor() -> None:
    """What comes in is one block; the rest is the same text."""
    text = ComposeFile(OURS).with_service("payments", ENTRY)
    assert inserted(OURS, text).strip() == "payments:\n    <<: *service\n    command: [a]"
    assert text.index("  payments:") > text.index("  mailpit:")
    assert text.index("  payments:") < text.index("\nvolumes:")


def test_an_entry_is_indented_as_the_others_are() -> None:
    """And follows the comments that belong to the last one."""
    text = ComposeFile(SMALL).with_service("payments", ENTRY)
    assert text == SMALL.replace(
        "        # within\n",
        "        # within\n\n    payments:\n      <<: *service\n      command: [a]\n",
    )


def test_a_file_that_ends_with_its_services_gets_one_more() -> None:
    """Without a line end too."""
    text = ComposeFile("x: &service {}\nservices:\n  a:\n    image: x").with_service(
        "payments", ENTRY
    )
    assert text.endswith("    image: x\n\n  payments:\n    <<: *service\n    command: [a]\n")


def test_a_port_is_free_that_nobody_publishes() -> None:
    """8081 is taken here, as a default."""
    assert ComposeFile(OURS).free_port == 8082
    taken = ["8081:1", "127.0.0.1:8082:80/tcp", "${PORT:-8083}:1", "8084"]
    ports = "".join(f"      - '{port}'\n" for port in taken)
    long = "      - {target: 80, published: 8085}\n"
    assert ComposeFile(f"services:\n  a:\n    ports:\n{ports}{long}").free_port == 8086


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no services"),
        ("- a", "it has no services"),
        ("services:", "it has no services"),
        ("services: [", "it is not valid YAML"),
    ],
)
def test_what_is_no_compose_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(UneditableError, match=said):
        ComposeFile(text)


def test_services_between_braces_have_no_lines_to_add_to() -> None:
    with pytest.raises(UneditableError, match="between braces"):
        ComposeFile("services: {a: {image: x}}").with_service("b", "b:\n  image: x\n")


def test_anchors_that_the_entry_refers_to_have_to_be_there() -> None:
    file = ComposeFile("x: &broker {}\nservices:\n  a:\n    image: '&service'\n")
    file.require_anchors("broker")
    with pytest.raises(UneditableError, match="no anchor &service"):
        file.require_anchors("broker", "service")


def test_a_name_that_is_taken_is_refused() -> None:
    """By something that is no service of ours, too."""
    with pytest.raises(ConfigurationError, match="'rabbitmq' already"):
        ComposeFile(OURS).refuse_taken("rabbitmq")
