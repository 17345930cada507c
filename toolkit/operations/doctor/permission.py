"""What the user of the address may do, against what each service needs.

Receives services and an inspector, hands findings with the one line that mends them.
"""

import asyncio
from collections.abc import Iterable, Sequence

from toolkit.operations.doctor.finding import Finding
from toolkit.service import Service
from toolkit.topology import naming
from toolkit.topology.permission import Need, granting, needs_of
from toolkit.transport.rabbitmq.inspector import Inspector

CHECK = "permissions"


def needed_by(service: Service) -> frozenset[Need]:
    """Everything that it asks of the broker."""
    return needs_of(service.topology, consumed_by(service), service.settings.topology)


def consumed_by(service: Service) -> list[str]:
    """The queues that it takes messages from."""
    consumed = [subscription.queue for subscription in service.subscriptions]
    if consumed:
        consumed.append(naming.suspects_queue(service.name))
    return consumed


async def permissions(
    service: Service, sharing: Sequence[Service], inspector: Inspector
) -> list[Finding]:
    """What is lacking. The line to mend it is for all services that share the user: it takes the
    place of what it had before.
    """
    if not inspector.facts.is_rabbitmq:
        reason = "not looked at: this isn't RabbitMQ, and may answer the questions otherwise"
        return [Finding(CHECK, service.name, "unknown", reason)]
    needs = sorted(needed_by(service))
    lacking, unasked = await lacking_of(needs, inspector)
    line = line_for(sharing, inspector)
    names = [one.name for one in sharing]
    found = [_lacking(service.name, inspector.user, lacking, names, line)] if lacking else []
    if unasked:
        named = ", ".join(map(str, unasked))
        reason = f"not looked at, as it takes something that may be written to: {named}"
        found.append(Finding(CHECK, service.name, "unknown", reason, line))
    ok = f"user '{inspector.user}' may do all {len(needs)} things that it needs"
    return found or [Finding(CHECK, service.name, "ok", ok)]


async def lacking_of(needs: Sequence[Need], inspector: Inspector) -> tuple[list[Need], list[Need]]:
    """Those that aren't met, and those that can't be asked for."""
    reads = [need for need in needs if need.permission == "read" and need.kind == "exchange"]
    direct = [need for need in needs if need not in reads]
    answers = dict(zip(direct, await _allowed(direct, inspector, None), strict=True))
    writable = next((n for n in direct if n.permission == "write" and n.name and answers[n]), None)
    answers |= dict(zip(reads, await _allowed(reads, inspector, writable), strict=True))
    lacking = [need for need in needs if answers[need] is False]
    return lacking, [need for need in needs if answers[need] is None]


async def _allowed(
    needs: Sequence[Need], inspector: Inspector, writable: Need | None
) -> list[bool | None]:
    return await asyncio.gather(*(inspector.allows(need, writable=writable) for need in needs))


def line_for(services: Iterable[Service], inspector: Inspector) -> str:
    """The command that lets the user do what these services need, and nothing else."""
    needs = {need for service in services for need in needed_by(service)}
    return granting(needs, virtual_host=inspector.virtual_host, user=inspector.user)


def _lacking(
    name: str, user: str, lacking: Sequence[Need], sharing: Sequence[str], line: str
) -> Finding:
    named = ", ".join(map(str, lacking))
    sentence = (
        f"user '{user}' lacks {named}. The line to mend it gives it what {' and '.join(sharing)} "
        f"{'needs' if len(sharing) == 1 else 'need'}, in the place of all it had before"
    )
    return Finding(CHECK, name, "wrong", sentence, line)
