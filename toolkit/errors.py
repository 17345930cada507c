"""Every error the toolkit raises, as one tree with a sentence that says what to do next.

```text
ToolkitError
├── ConfigurationError          found at start-up; lists every problem at once
│   ├── SettingsError             the environment or .env
│   └── TopologyError             the broker holds something else than was declared
├── ContractError               a message and its contract don't fit
│   ├── UndecodableError          the bytes are not what the contract says
│   └── UnhandledTypeError        decodable, but nobody here handles the type
├── PublishError                a message was not taken by the broker
│   ├── UnroutableError           no queue took it
│   ├── RefusedError              the broker answered no
│   ├── MessageTooLargeError      over a limit, not sent
│   └── PublishTimeoutError       no answer in time: unknown whether it was taken
├── TransportError              the way to the broker
│   ├── BrokerUnreachableError    no broker answered within the deadline
│   ├── AccessRefusedError        credentials, virtual host or permission
│   ├── TlsError                  a certificate, a host name, or a port without TLS
│   └── ConnectionLostError       cut in the middle: unknown what the broker did
├── HandlerCancelledError       a handler let a cancellation out that nobody asked for
├── CrashedError                its process died under a message, again and again
├── HandlerTimeoutError         one run of a handler took longer than its consumer allows
└── Verdict                     what a handler raises on purpose (policies/verdict.py)
```
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ToolkitError(Exception):
    """The root of everything the toolkit raises."""


class ConfigurationError(ToolkitError):
    """What was declared can't work. `problems` holds one sentence for each."""

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{subject}:{lines}")


class SettingsError(ConfigurationError):
    """The environment or `.env` holds values that can't be used."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One argument of one queue or exchange that the broker holds otherwise."""

    kind: str
    name: str
    argument: str
    wanted: object
    found: object

    def __str__(self) -> str:
        return (
            f"{self.kind} '{self.name}': {self.argument} should be {_shown(self.wanted)}, "
            f"the broker has {_shown(self.found)}"
        )


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


class TopologyError(ConfigurationError):
    """The broker's queues and exchanges don't agree with the declarations.

    `differences` holds what exists with other arguments, `refusals` what the broker
    would not let this user do, `problems` all of it as sentences.
    """

    def __init__(
        self,
        subject: str,
        problems: Sequence[str],
        *,
        differences: Sequence[Difference] = (),
        refusals: Sequence[str] = (),
    ) -> None:
        self.differences = tuple(differences)
        self.refusals = tuple(refusals)
        super().__init__(subject, problems)


class ContractError(ToolkitError):
    """A message and its contract don't fit."""


class UndecodableError(ContractError):
    """The bytes of a message are not what its contract says."""


class UnhandledTypeError(ContractError):
    """A message could be read, but its consumer handles no such type."""

    def __init__(self, type_name: str | None, known: Sequence[str]) -> None:
        self.type_name = type_name
        self.known = tuple(known)
        named = f"type '{type_name}'" if type_name else "a message without a type"
        super().__init__(f"{named} is handled by nobody here; known are: {', '.join(known)}")


class PublishError(ToolkitError):
    """A message was not taken by the broker, or nobody knows whether it was.

    `exchange`, `routing_key` and `message_id` say which.
    """

    def __init__(
        self, sentence: str, *, exchange: str, routing_key: str, message_id: str | None = None
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.message_id = message_id
        where = f"exchange '{exchange or '(default)'}', routing key '{routing_key}'"
        super().__init__(f"{sentence} ({where}, message id {message_id or 'none'})")


class UnroutableError(PublishError):
    """The exchange took the message, but no queue is bound that wants it."""


class RefusedError(PublishError):
    """The broker answered no: a full queue, a missing exchange, a missing permission."""


class MessageTooLargeError(PublishError):
    """Over the limit for a body or for headers; it was not sent."""


class PublishTimeoutError(PublishError):
    """No answer in time. `may_have_arrived` is False only if nothing was ever sent."""

    def __init__(
        self,
        sentence: str,
        *,
        exchange: str,
        routing_key: str,
        message_id: str | None = None,
        may_have_arrived: bool,
    ) -> None:
        self.may_have_arrived = may_have_arrived
        super().__init__(
            sentence, exchange=exchange, routing_key=routing_key, message_id=message_id
        )


class TransportError(ToolkitError):
    """Something on the way to the broker."""


class BrokerUnreachableError(TransportError):
    """No broker answered within the deadline for the first connection."""


class AccessRefusedError(TransportError):
    """The broker refused the credentials, the virtual host or an operation."""


class TlsError(TransportError):
    """No TLS with the broker: a certificate, a host name, or a port that speaks something else."""


class ConnectionLostError(TransportError):
    """The connection or channel went away before the broker had answered."""


class HandlerTimeoutError(ToolkitError):
    """One run of a handler took longer than its consumer's `timeout`.

    It was cancelled, and the retry policy decides what becomes of the message.
    """

    def __init__(self, consumer: str, seconds: float) -> None:
        self.consumer = consumer
        self.seconds = seconds
        super().__init__(
            f"{consumer} did not finish within {seconds:g}s; "
            f"make it faster or raise the consumer's `timeout`"
        )


class HandlerCancelledError(ToolkitError):
    """A handler let a `CancelledError` out although nobody had cancelled it."""


class CrashedError(ToolkitError):
    """A message was delivered again and again without ever coming to an outcome."""
