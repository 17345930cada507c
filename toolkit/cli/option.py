"""Options that several commands have, each with one name and one sentence.

Receives words from the command line, hands them to the commands that ask for such an option.
"""

from typing import Annotated

import typer

from toolkit.cli.completion import service_names

ManyServices = Annotated[
    list[str] | None,
    typer.Argument(metavar="SERVICE", show_default=False, autocompletion=service_names),
]
BrokerUrl = Annotated[
    str | None,
    typer.Option("--broker", metavar="URL", help="The broker's AMQP address."),
]
ManagementUrl = Annotated[
    str | None,
    typer.Option(
        "--management",
        metavar="URL",
        envvar="TOOLKIT_MANAGEMENT_URL",
        help="The management API's address, if it isn't port 15672 of the broker's host.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
