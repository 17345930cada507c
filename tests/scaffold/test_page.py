"""docs/commands/new.md shows what the commands print, word for word."""

import re

from tests.scaffold.workshop import ROOT, Workshop

PAGE = (ROOT / "docs" / "commands" / "new.md").read_text()


def test_what_the_page_shows_is_what_comes_out(workshop: Workshop) -> None:
    """From an empty folder."""
    workshop.new("project", "shop")
    shop = workshop.at("shop")
    assert shop.new("service", "payments") in PAGE
    shop.new("service", "shipping")
    fields = ("payment_id:uuid", "amount:decimal", "note:str?")
    shop.new("event", "payments", "PaymentRefunded", *fields)
    (klass,) = re.findall(r"```python\n.*?\n(class .*?)```", PAGE, re.DOTALL)
    assert (shop.folder / "services/payments/contracts.py").read_text().endswith(klass)

    event = ("StopParcel", "--on", "payments.payment-refunded")
    shown = shop.new("consumer", "shipping", *event, "--dry-run")
    (diff,) = re.findall(r"```text\n(--- .*?)```", PAGE, re.DOTALL)
    assert all(line in shown.splitlines() for line in diff.splitlines())

    refusals = re.findall(r"^\$ toolkit (.+)\n(error: .+(?:\n  - .+)*)", PAGE, re.MULTILINE)
    assert len(refusals) == 3
    for words, said in refusals:
        assert shop.toolkit(*words.split()).stderr == f"{said}\n"
