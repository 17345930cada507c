"""From a failure and the attempts so far to an outcome.

Receives exceptions from the receiving pipeline, hands it an `Outcome`.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import ValidationError

from toolkit.errors import ConfigurationError, ContractError, MessageTooLargeError
from toolkit.policies import backoff
from toolkit.policies.backoff import Step
from toolkit.policies.duration import Duration, format_duration, parse_duration
from toolkit.policies.outcome import DeadLetter, Discarded, Outcome, RetryLater
from toolkit.policies.verdict import Discard, Reject, RetryAfter, Verdict

Errors = tuple[type[BaseException], ...]

PERMANENT: Errors = (ValidationError, ContractError, MessageTooLargeError, NotImplementedError)
"""Errors that another try can't mend; never retried unless `on` names them."""

IN_PLACE = timedelta(seconds=1)
"""Delays under this are waited for in the consumer's slot, not on the broker."""

_MOST_TRIES = 1_000
_LARGEST_FACTOR = 1_000


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """When a failed message is tried again.

    A message is tried once and `immediately` times more, at once and in place. Then it waits
    on the broker for each delay of `after` in turn, and each time it comes back it is tried
    as often again: in all `(immediately + 1) * (len(after) + 1)` times at most, as NServiceBus
    counts (<https://docs.particular.net/nservicebus/recoverability/>).

    `on`: only these errors are retried. `never`: these go to the dead letters at once, and win
    over `on`. For an `ExceptionGroup`, one inner error in `never` is enough.

    Raises `ConfigurationError` for numbers or durations that make no sense.
    """

    immediately: int
    steps: tuple[Step, ...]
    on: Errors
    never: Errors
    asked: Errors = field(repr=False)

    def __init__(
        self,
        *,
        immediately: int = 2,
        after: Duration | tuple[Duration, ...] = ("1s", "5s", "30s", "2m"),
        on: Errors = (Exception,),
        never: Errors = (),
    ) -> None:
        problems = []
        delays = []
        for delay in (after,) if isinstance(after, str | timedelta) else after:
            try:
                delays.append(parse_duration(delay))
            except ValueError as error:
                problems.append(f"after: {error}")
        _fill(self, immediately, backoff.fixed(tuple(delays)), on, never, problems)

    @classmethod
    def exponential(
        cls,
        *,
        first: Duration = "1s",
        factor: float = 2.0,
        cap: Duration = "5m",
        attempts: int = 8,
        jitter: float = 0.0,
        immediately: int = 0,
        on: Errors = (Exception,),
        never: Errors = (),
    ) -> "Retry":
        """Delays of `first * factor**n`, at most `cap`, `attempts` of them.

        `jitter` (0 to 1) spreads each delay over three rungs, up to that share longer.
        """
        problems = []
        steps: tuple[Step, ...] = ()
        if not 1 <= factor <= _LARGEST_FACTOR:
            problems.append(f"factor: {factor} is not between 1 and {_LARGEST_FACTOR}")
        if not 0 <= jitter <= 1:
            problems.append(f"jitter: {jitter} is not between 0 and 1")
        if not 0 <= attempts <= _MOST_TRIES:
            problems.append(f"attempts: {attempts} is not between 0 and {_MOST_TRIES}")
        start = _positive("first", first, problems)
        end = _positive("cap", cap, problems)
        if not problems:
            steps = backoff.exponential(
                first=start, factor=factor, cap=end, attempts=attempts, jitter=jitter
            )
        policy = cls.__new__(cls)
        _fill(policy, immediately, steps, on, never, problems)
        return policy

    @property
    def most_tries(self) -> int:
        """How often a handler can run for one message, crashes apart."""
        return (self.immediately + 1) * (len(self.steps) + 1)

    @property
    def rungs(self) -> tuple[timedelta, ...]:
        """The delays that wait on the broker, shortest first.

        A policy with delayed tries has at least one, so that `RetryAfter` has where to wait.
        """
        delays = {max(delay, IN_PLACE) for step in self.steps for delay in step}
        waited_for = {delay for step in self.steps for delay in step if delay >= IN_PLACE}
        return tuple(sorted(waited_for or delays))

    def is_retryable(self, error: BaseException) -> bool:
        """Whether another try could help, whatever the budget."""
        leaves = tuple(_leaves(error))
        if any(isinstance(leaf, (Verdict, *self.never)) for leaf in leaves):
            return False
        return all(self._is_wanted(leaf) for leaf in leaves)

    def _is_wanted(self, error: BaseException) -> bool:
        is_permanent = isinstance(error, PERMANENT) and not isinstance(error, self.asked)
        return isinstance(error, self.on) and not is_permanent

    def decide(self, error: BaseException, *, rounds: int, salt: int = 0) -> Outcome:
        """What becomes of a message whose tries in place are over.

        `rounds` is the number of delayed tries behind it; `salt` spreads jitter and should be
        the same for the same message.
        """
        match _verdict(error):
            case Discard(reason=reason):
                return Discarded(reason)
            case Reject() as verdict:
                return DeadLetter("rejected", verdict)
            case RetryAfter(delay=delay) as verdict if rounds < len(self.steps):
                return RetryLater(delay, verdict)
            case RetryAfter() as verdict:
                return DeadLetter("failed", verdict)
        if rounds < len(self.steps) and self.is_retryable(error):
            return RetryLater(backoff.choose(self.steps[rounds], salt), error)
        return DeadLetter("failed", error)

    def __str__(self) -> str:
        tries = self.immediately + 1
        parts = [f"{tries} {'try' if tries == 1 else 'tries'} in place"]
        if self.steps:
            delays = ", ".join(_shown(step) for step in self.steps)
            parts.append(f"again after {delays}")
        parts.append(f"{self.most_tries} at most")
        return "; ".join(parts)


def _fill(
    policy: Retry,
    immediately: int,
    steps: tuple[Step, ...],
    on: Errors,
    never: Errors,
    problems: list[str],
) -> None:
    if not 0 <= immediately <= _MOST_TRIES:
        problems.append(f"immediately: {immediately} is not between 0 and {_MOST_TRIES}")
    if not problems and (immediately + 1) * (len(steps) + 1) > _MOST_TRIES:
        problems.append(f"more than {_MOST_TRIES} tries for one message")
    on, never = _as_errors("on", on, problems), _as_errors("never", never, problems)
    if problems:
        raise ConfigurationError("This retry policy can't work", problems)
    asked = tuple(error for error in on if error not in (Exception, BaseException))
    for name, value in (
        ("immediately", immediately),
        ("steps", steps),
        ("on", on),
        ("never", never),
        ("asked", asked),
    ):
        object.__setattr__(policy, name, value)


def _positive(name: str, value: Duration, problems: list[str]) -> timedelta:
    try:
        parsed = parse_duration(value)
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return timedelta(0)
    if not parsed:
        problems.append(f"{name}: must be longer than zero")
    return parsed


def _as_errors(name: str, errors: object, problems: list[str]) -> Errors:
    """A tuple of exception classes; a single class is welcome too."""
    listed = errors if isinstance(errors, tuple | list) else (errors,)
    wrong = [e for e in listed if not (isinstance(e, type) and issubclass(e, BaseException))]
    problems.extend(f"{name}: {item!r} is not an exception class" for item in wrong)
    return tuple(e for e in listed if e not in wrong)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _verdict(error: BaseException) -> BaseException:
    """The first verdict in an exception group, or the error itself."""
    return next((leaf for leaf in _leaves(error) if isinstance(leaf, Verdict)), error)


def _shown(step: Step) -> str:
    if len(step) == 1:
        return format_duration(step[0])
    return f"{format_duration(step[0])}-{format_duration(step[-1])}"
