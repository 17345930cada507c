"""docs/commands/new.md shows the contract that it makes; `tests/test_docs.py` types the rest."""

import re
import shlex

from tests.scaffold.workshop import ROOT, Workshop

PAGE = (ROOT / "docs" / "commands" / "new.md").read_text()


def test_the_event_on_the_page_is_what_comes_out(workshop: Workshop) -> None:
    """From an empty folder, with the words that are typed there."""
    workshop.new("project", "shop")
    shop = workshop.at("shop")
    shop.new("service", "payments")
    (words,) = re.findall(r"^\$ toolkit new (event .*)$", PAGE, re.MULTILINE)
    shop.new(*shlex.split(words))
    (klass,) = re.findall(r"```python\n.*?\n(class .*?)```", PAGE, re.DOTALL)
    assert (shop.folder / "services/payments/contracts.py").read_text().endswith(klass)
