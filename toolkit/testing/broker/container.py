"""A RabbitMQ in a container of its own, on whichever Docker engine answers.

Receives nothing but this machine, hands a `Broker` to the finder. testcontainers is imported here
and late: the toolkit itself doesn't depend on it.
"""

import importlib.util
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from toolkit.testing.broker.found import Broker, BrokerFailedError, WayClosedError
from toolkit.testing.broker.greeting import await_broker
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.ports import choose_free_ports
from toolkit.testing.broker.tls import TlsListener

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "rabbitmq:4-management"
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_PING_TIMEOUT = 10
_BOOT_TIMEOUT = 120
_STOP_TIMEOUT = 10
_CONFIGURATION = Path("/etc/rabbitmq")


@contextmanager
def container(say: Callable[[str], None], *, tls: TlsListener | None = None) -> Iterator[Broker]:
    """Run a container for as long as the context lasts, its ports on 127.0.0.1 alone.

    Raises WayClosedError where no engine answers, or the image can't be had or doesn't come up.
    """
    _require_testcontainers()
    from docker.errors import DockerException  # noqa: PLC0415

    _require_engine()
    _require_image(say)
    say("Docker: starting a container; this takes a few seconds.")
    with ExitStack() as stack:
        keeper = Keeper()
        try:
            contained = ContainedNode(keeper, tls=tls)
            stack.callback(contained.hang_up)
            stack.enter_context(keeper)
            greeting = contained.boot()
        except (DockerException, BrokerFailedError, OSError, RuntimeError) as failure:
            raise WayClosedError(
                f"a container of {IMAGE} doesn't come up ({_gist(failure)})."
            ) from failure
        yield Broker(
            url=contained.url,
            tls_url=contained.tls_url,
            management_url=contained.management_url,
            description=f"{greeting}, in Docker ({IMAGE}) on port {contained.port}",
            control=contained,
        )


class ContainedNode:
    """One container, whose ports are chosen by us: the engine would deal new ones at a restart."""

    def __init__(self, keeper: Keeper, *, tls: TlsListener | None = None) -> None:
        self.port, self._tls_port, http = choose_free_ports(3)
        self._http = http
        self._keeper = keeper
        self._name = f"toolkit-broker-{secrets.token_hex(4)}"
        self._password = secrets.token_hex(16)
        self._container = self._described()
        if tls is not None:
            self._listen(tls)
        self.url = f"amqp://toolkit:{self._password}@127.0.0.1:{self.port}/"
        secure = f"amqps://toolkit:{self._password}@127.0.0.1:{self._tls_port}/"
        self.tls_url = secure if tls else None
        self.management_url = f"http://127.0.0.1:{http}"

    def boot(self) -> str:
        """Create and start the container, and return the broker's greeting."""
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

        # By name and beforehand, so that nothing is left if we are killed while it starts. Ryuk,
        # testcontainers' own answer to that, is an image of its own that may not be to be had.
        self._keeper.hold("container", self._name)
        is_ryuk_off = testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True
        try:
            self._container.start()
        finally:
            testcontainers_config.ryuk_disabled = is_ryuk_off
        return self._await()

    def start(self) -> None:
        """Bring the container back."""
        self._container.get_wrapped_container().start()
        self._await()

    def stop(self) -> None:
        """End the node in an orderly way, and with it the container."""
        if self._is_running():
            # Asked by its own command: not every image's first process passes SIGTERM on. How that
            # command ends says nothing, as the container ends before it.
            self._container.exec(["rabbitmqctl", "shutdown"])
            self._container.get_wrapped_container().stop(timeout=_STOP_TIMEOUT)

    def kill(self) -> None:
        """Cut its power."""
        if self._is_running():
            self._container.get_wrapped_container().kill()
            self._container.wait()

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` in the container."""
        done = self._container.exec(["rabbitmqctl", *arguments])
        text = done.output.decode("utf-8", "replace")
        if done.exit_code != 0:
            raise BrokerFailedError(f"rabbitmqctl {' '.join(arguments)} failed: {text.strip()}")
        return text

    def hang_up(self) -> None:
        """Close the connection to the engine."""
        self._container.get_docker_client().client.close()

    def _described(self) -> "DockerContainer":
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

        started = LogMessageWaitStrategy("Server startup complete")
        described = (
            DockerContainer(IMAGE)
            .with_name(self._name)
            .with_env("RABBITMQ_DEFAULT_USER", "toolkit")
            .with_env("RABBITMQ_DEFAULT_PASS", self._password)
            .waiting_for(started.with_startup_timeout(_BOOT_TIMEOUT))
        )
        # The builder's methods would publish them on every interface.
        ports = cast("dict[str, Any]", described.ports)
        ports["5672/tcp"] = ("127.0.0.1", self.port)
        ports["15672/tcp"] = ("127.0.0.1", self._http)
        return described

    def _listen(self, tls: TlsListener) -> None:
        # Copied, as the engine may not see our files, and the broker's user not read them.
        there = _CONFIGURATION / "tls"
        configuration = tls.configuration("5671", there)
        for path in (tls.ca, tls.cert, tls.key):
            self._container.with_copy_into_container(path, str(there / path.name))
        self._container.with_copy_into_container(
            configuration.encode(), str(_CONFIGURATION / "conf.d" / "90-tls.conf")
        )
        ports = cast("dict[str, Any]", self._container.ports)
        ports["5671/tcp"] = ("127.0.0.1", self._tls_port)

    def _await(self) -> str:
        return await_broker(self.url, self.management_url, is_alive=self._is_running)

    def _is_running(self) -> bool:
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return bool(wrapped.status == "running")


def _require_testcontainers() -> None:
    if importlib.util.find_spec("testcontainers") is None:
        raise WayClosedError(
            "testcontainers isn't installed; the extra rabbit-toolkit[testing] has it."
        )


def _require_engine() -> None:
    from testcontainers.core.docker_client import get_docker_host  # noqa: PLC0415

    engine = urlsplit(get_docker_host() or _DEFAULT_ENGINE)
    if engine.scheme not in ("unix", "tcp", "http", "https"):
        return  # ssh:// and npipe:// are asked by the client itself
    if engine.scheme != "unix" and engine.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise WayClosedError(
            f"the engine is on {engine.hostname}, and ports are only published on 127.0.0.1 there."
        )
    # The client leaves its socket to the garbage collector where nobody answers.
    try:
        if engine.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PING_TIMEOUT)
                probe.connect(engine.path)
        else:
            address = (engine.hostname or "localhost", engine.port or 2375)
            socket.create_connection(address, _PING_TIMEOUT).close()
    except PermissionError as failure:
        raise WayClosedError(
            f"this user may not talk to the engine at {engine.path}; its group may."
        ) from failure
    except OSError as failure:
        raise WayClosedError("no engine answers.") from failure


def _require_image(say: Callable[[str], None]) -> None:
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    try:
        engine = DockerClient(timeout=_PING_TIMEOUT).client
    except (DockerException, OSError) as failure:
        raise WayClosedError(f"the engine fails ({_gist(failure)}).") from failure
    try:
        engine.images.get(IMAGE)
    except ImageNotFound:
        say(f"Docker: pulling the image {IMAGE}; this takes a minute or two.")
        try:
            engine.images.pull(IMAGE)
        except (DockerException, OSError) as failure:
            raise WayClosedError(
                f"the image {IMAGE} can't be pulled ({_gist(failure)})."
            ) from failure
    except (DockerException, OSError) as failure:
        raise WayClosedError(f"the engine fails ({_gist(failure)}).") from failure
    finally:
        engine.close()


def _gist(failure: BaseException) -> str:
    # Docker's errors have the engine's own words apart from the URL that was asked.
    text = str(getattr(failure, "explanation", None) or failure) or type(failure).__name__
    return text.splitlines()[0].partition(". ")[0][:300]
