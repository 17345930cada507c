"""Least privilege: exactly what a service needs lets it work, and one less is noticed and named."""

from collections.abc import Iterable
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.hostile.management import VirtualHost
from tests.hostile.waiting import eventually
from tests.operations.shop import Handle, Placed, Shop
from toolkit import Service, ToolkitError
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.permission import lacking_of, needed_by, permissions
from toolkit.testing.broker import Broker
from toolkit.topology.permission import PERMISSIONS, Need, Permission, granting, pattern_of
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.inspector import Inspector

NEEDS = needed_by(Shop("amqp://localhost/").service)


def with_only(virtual_host: VirtualHost, needs: Iterable[Need]) -> str:
    """The URL of a new user who may do this and nothing else."""
    needs = tuple(needs)
    configure, write, read = (pattern_of(needs, permission) for permission in PERMISSIONS)
    return virtual_host.url_for(configure=configure, write=write, read=read)


def inspecting(url: str) -> RabbitOptions:
    return RabbitOptions(urls=(url,), service="doctor")


async def found_by(url: str) -> list[Finding]:
    async with Inspector.connected(inspecting(url)) as inspector:
        service = Shop(url).service
        return await permissions(service, [service], inspector)


async def test_exactly_these_permissions_let_a_service_do_all_of_its_work(
    virtual_host: VirtualHost,
) -> None:
    """From an empty virtual host through commands, a delay, a dead letter, a suspect, a restart."""
    shop = Shop(with_only(virtual_host, NEEDS))
    async with shop.service:
        for number in (1, 0, -1):
            await shop.messages.placed(Placed(number=number))
        await eventually(lambda: sorted(shop.send_off.done) == [0, 1])
        assert sorted(shop.handle.done) == [0, 1]
        await eventually(lambda: virtual_host.messages("shop.handle.dead") == 1)
    virtual_host.put("shop.suspects", '{"number": 7}', failed_queue="shop.handle")
    async with shop.service:
        await shop.messages.placed(Placed(number=2))
        await eventually(lambda: sorted(shop.send_off.done) == [0, 1, 2, 7])
    assert virtual_host.messages("shop.suspects") == 0


async def test_a_user_with_exactly_these_lacks_nothing(virtual_host: VirtualHost) -> None:
    """Before anything exists."""
    (finding,) = await found_by(with_only(virtual_host, NEEDS))
    assert (finding.status, finding.subject) == ("ok", "shop")


@pytest.mark.parametrize("exists", [False, True], ids=["before", "after the first start"])
@pytest.mark.parametrize("permission", PERMISSIONS)
async def test_any_permission_that_is_taken_away_is_named_and_no_other(
    virtual_host: VirtualHost, amqp_url: str, *, permission: Permission, exists: bool
) -> None:
    """Each by itself; a pattern doesn't tell a queue from an exchange of the same name."""
    if exists:
        async with Shop(amqp_url).service:
            pass
    for resource in sorted({need.resource for need in NEEDS if need.permission == permission}):
        taken = {n for n in NEEDS if (n.permission, n.resource) == (permission, resource)}
        url = with_only(virtual_host, NEEDS - taken)
        async with Inspector.connected(inspecting(url)) as inspector:
            assert await lacking_of(sorted(NEEDS), inspector) == (sorted(taken), [])


@pytest.mark.slow
async def test_none_of_these_permissions_is_superfluous(
    rabbitmq: Broker,
) -> None:
    """Without any one of them a first start is refused; `read` on the suspects is needed later."""
    later = Need("read", "queue", "shop.suspects")
    for need in sorted(NEEDS - {later}):
        taken = {n for n in NEEDS if (n.permission, n.resource) == (need.permission, need.resource)}
        with ExitStack() as stack:
            url = stack.enter_context(rabbitmq.virtual_host(f"test-{uuid4().hex[:12]}"))
            virtual_host = stack.enter_context(VirtualHost.of(rabbitmq, url))
            with pytest.raises(ToolkitError, match=r"refused"):
                await Shop(with_only(virtual_host, NEEDS - taken)).service.start()


async def test_what_is_lacking_comes_with_the_line_that_mends_it(
    virtual_host: VirtualHost,
) -> None:
    """It is for this user and this virtual host, and all that rabbitmqctl has to be told."""
    lost = Need("write", "exchange", "shop.delay.1s")
    url = with_only(virtual_host, NEEDS - {lost, Need("write", "queue", "shop.delay.1s")})
    async with Inspector.connected(inspecting(url)) as inspector:
        service = Shop(url).service
        (finding,) = await permissions(service, [service], inspector)
        user = inspector.user
    assert finding.status == "wrong"
    assert str(lost) in finding.sentence
    assert finding.fix == granting(NEEDS, virtual_host=virtual_host.name, user=user)
    assert f"-p {virtual_host.name} {user} '^(" in finding.fix


async def test_the_line_of_a_user_that_services_share_is_enough_for_all_of_them(
    virtual_host: VirtualHost,
) -> None:
    """Permissions that are set take the place of those that were there."""
    service = Shop("amqp://localhost/").service
    other = Service("archive", consumers=[Handle()], settings=service.settings)
    url = virtual_host.url_for(configure="^$")
    async with Inspector.connected(inspecting(url)) as inspector:
        (finding,) = await permissions(service, [service, other], inspector)
    assert "what shop and archive need" in finding.sentence
    everything = NEEDS | needed_by(other)
    assert finding.fix is not None
    assert all(pattern_of(everything, one) in finding.fix for one in PERMISSIONS)


async def test_who_may_do_nothing_lacks_all_of_it_and_is_told_what_was_not_seen(
    virtual_host: VirtualHost,
) -> None:
    """Reading from an exchange can be asked for only with something that may be written to."""
    nothing = {"configure": "^$", "write": "^$", "read": "^$"}
    wrong, unknown = await found_by(virtual_host.url_for(**nothing))
    assert wrong.status == "wrong"
    assert wrong.sentence.count("`") == 2 * sum(
        not (need.permission == "read" and need.kind == "exchange") for need in NEEDS
    )
    assert unknown.status == "unknown"
    assert "`read` on exchange 'events'" in unknown.sentence


async def test_a_service_that_makes_nothing_need_not_be_allowed_to(
    virtual_host: VirtualHost, amqp_url: str
) -> None:
    """With TOOLKIT_TOPOLOGY=check, it is enough to write to exchanges and read its queues."""
    async with Shop(amqp_url).service:
        pass
    needs = needed_by(Shop(amqp_url, topology="check").service)
    assert not any(need.permission == "configure" for need in needs)
    shop = Shop(with_only(virtual_host, needs), topology="check")
    async with shop.service:
        await shop.messages.placed(Placed(number=0))
        await eventually(lambda: shop.send_off.done == [0])
