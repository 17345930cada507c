"""What the customer reads: an event poured into a template.

Receives order events from the consumers, hands letters to the notifier.
"""

from dataclasses import dataclass
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from .contracts import About, OrderCancelled, OrderPlaced

# Text is not escaped, HTML would be. A template that names a missing field fails, and leaves no
# gap in a letter.
_templates = Environment(
    loader=PackageLoader(__package__),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2"]),
    trim_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one customer about one milestone of one order: there is never a second one."""

    order_id: UUID
    about: About
    recipient: str
    subject: str
    text: str


def confirmation(order: OrderPlaced) -> Letter:
    """What a customer gets for an order."""
    return _letter("placed", order)


def cancellation(order: OrderCancelled) -> Letter:
    """What a customer gets for a cancelled one."""
    return _letter("cancelled", order)


def _letter(about: About, order: OrderPlaced | OrderCancelled) -> Letter:
    rendered = _templates.get_template(f"{about}.txt.j2").render(order=order)
    subject, _, text = rendered.partition("\n\n")
    return Letter(order.order_id, about, order.customer_email, subject, text)
