"""A private RabbitMQ node: own ports, own name, own directory, nobody else's epmd.

Receives an `Installation`, hands a `Broker` to the finder. It runs as whoever runs it, root or not,
and neither reads nor writes anything of a RabbitMQ that may be running here as a service.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from toolkit.testing.broker.found import Broker, BrokerFailedError, WayClosedError
from toolkit.testing.broker.greeting import await_broker
from toolkit.testing.broker.installation import Installation, search_path
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.ports import choose_free_ports
from toolkit.testing.broker.tls import TlsListener

_STOP_TIMEOUT = 60.0
_CTL_TIMEOUT = 60.0
_EPMD_TIMEOUT = 10.0
_LAST_WORDS = 300

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {http}
default_user = toolkit
default_pass = {password}
# The write-ahead log takes its full size at once, 512 MB if not told otherwise.
raft.wal_max_size_bytes = 64000000
"""


@contextmanager
def private_node(
    installation: Installation, say: Callable[[str], None], *, tls: TlsListener | None = None
) -> Iterator[Broker]:
    """Run a node for as long as the context lasts.

    Raises WayClosedError, with the node's last words, if it doesn't come up.
    """
    say("Starting a private RabbitMQ node; this takes a few seconds.")
    with ExitStack() as stack:
        keeper = Keeper()
        directory = Path(tempfile.mkdtemp(prefix="toolkit-broker-"))
        node = PrivateNode(installation, directory, keeper, tls=tls)
        stack.callback(node.reap)
        stack.enter_context(keeper)
        keeper.hold("directory", str(directory))
        try:
            greeting = node.boot()
        except (BrokerFailedError, OSError) as failure:
            raise WayClosedError(f"the private node doesn't start: {failure}.") from failure
        yield Broker(
            url=node.url,
            tls_url=node.tls_url,
            management_url=node.management_url,
            description=f"{greeting}, a private node on port {node.port}",
            control=node,
        )


class PrivateNode:
    """One node and the epmd beside it, which outlives the node's restarts."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        keeper: Keeper,
        *,
        tls: TlsListener | None = None,
    ) -> None:
        ports = choose_free_ports(5)
        self.port, self._tls_port, self._http, self._distribution, self._epmd = ports
        self._tls = tls
        self._installation = installation
        self._directory = directory
        self._keeper = keeper
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []
        self.url = f"amqp://toolkit:{self._password}@127.0.0.1:{self.port}/"
        secure = f"amqps://toolkit:{self._password}@127.0.0.1:{self._tls_port}/"
        self.tls_url = secure if tls else None
        self.management_url = f"http://127.0.0.1:{self._http}"

    def boot(self) -> str:
        """Lay out the directory, start epmd and the node, and return the node's greeting."""
        self._write_files()
        self._start_epmd()
        return self._start()

    def start(self) -> None:
        """Bring the node back."""
        if self._process is None:
            self._start()

    def stop(self) -> None:
        """End the node in an orderly way: RabbitMQ takes SIGTERM for that."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise BrokerFailedError(
                f"The node didn't stop within {_STOP_TIMEOUT:.0f} s and was killed"
            ) from late
        self._forget()

    def kill(self) -> None:
        """Cut its power: the script and the virtual machine under it go at once."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._forget()

    def ctl(self, *arguments: str) -> str:
        """Run the installation's `rabbitmqctl` against this node."""
        done = subprocess.run(
            [self._installation.ctl, *arguments],
            check=False,
            env=self._environment(),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CTL_TIMEOUT,
        )
        if done.returncode != 0:
            last_words = (done.stderr or done.stdout).strip()
            raise BrokerFailedError(f"rabbitmqctl {' '.join(arguments)} failed: {last_words}")
        return done.stdout

    def reap(self) -> None:
        """Take leave of the processes that the keeper has ended."""
        for process in self._spawned:
            process.wait()

    def _start_epmd(self) -> None:
        # It must listen before the node looks for it, or Erlang starts one as a daemon that nobody
        # ends; in the foreground it is ours.
        epmd = self._spawn("epmd", [self._installation.epmd, "-port", str(self._epmd)])
        deadline = time.monotonic() + _EPMD_TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._epmd), _EPMD_TIMEOUT).close()
            except OSError as refusal:
                if epmd.poll() is not None or time.monotonic() > deadline:
                    raise BrokerFailedError("its epmd doesn't start") from refusal
                time.sleep(0.02)
            else:
                return

    def _start(self) -> str:
        process = self._spawn("node", [self._installation.server])
        try:
            greeting = await_broker(
                self.url, self.management_url, is_alive=lambda: process.poll() is None
            )
        except BrokerFailedError as failure:
            raise BrokerFailedError(f"{failure}. {self._last_words()}") from failure
        self._process = process
        return greeting

    def _forget(self) -> None:
        if self._process is not None:
            self._keeper.release("process", self._process.pid)
        self._process = None

    def _spawn(self, name: str, command: list[str | Path]) -> subprocess.Popen[bytes]:
        # A process group of its own, so that all of it can be ended at once and Ctrl-C in the
        # terminal ends the tests before it ends their broker.
        with (self._directory / f"{name}.output").open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._keeper.hold("process", process.pid)
        self._spawned.append(process)
        return process

    def _write_files(self) -> None:
        configuration = _CONFIGURATION.format(
            amqp=self.port, http=self._http, password=self._password
        )
        if self._tls is not None:
            configuration += self._tls.configuration(f"127.0.0.1:{self._tls_port}")
        (self._directory / "rabbitmq.conf").write_text(configuration)
        (self._directory / "rabbitmq-env.conf").touch()
        (self._directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
        cookie = self._directory / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)  # Erlang refuses a cookie that others can read

    def _environment(self) -> dict[str, str]:
        # What is set for the machine's own RabbitMQ must not reach ours; under NOTIFY_SOCKET the
        # server's script would take systemd for its parent.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_")) and name != "NOTIFY_SOCKET"
        }
        home = str(self._directory)
        return inherited | {
            "HOME": home,
            "PATH": search_path(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd),
            "RABBITMQ_NODENAME": f"toolkit-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_CONFIG_FILES": f"{home}/conf.d/*.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_PID_FILE": f"{home}/node.pid",
        }

    def _last_words(self) -> str:
        output = (self._directory / "node.output").read_text(errors="replace")
        before, failed, after = output.partition("BOOT FAILED")
        errors = re.findall(r"\[error\] \S+ (.+)", before)[:2]
        told = after.partition("Error during startup:")[2] if failed else output[-_LAST_WORDS:]
        return "Its last words: " + " ".join(" ".join([*errors, told]).split())[:_LAST_WORDS]
