"""Where an installed RabbitMQ is, and how one gets here.

Receives nothing but this machine, hands the paths of the server's scripts to `node`.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.testing.broker.found import WayClosedError

# The packages for Debian and Red Hat put a wrapper on the PATH that insists on root and switches
# to the user rabbitmq, who can't write to our directory; the script it wraps asks for neither.
_BEHIND_THE_WRAPPER = Path("/usr/lib/rabbitmq/bin")
_SYSTEM_PATHS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin")
_POLICY = Path("/usr/sbin/policy-rc.d")
_HOW_TO_INSTALL = (
    "Install Docker, or RabbitMQ (apt-get install rabbitmq-server, dnf install rabbitmq-server, "
    "brew install rabbitmq), or set TOOLKIT_AMQP_URL to a broker"
)


@dataclass(frozen=True)
class Installation:
    """The scripts and programs of an installed RabbitMQ."""

    server: Path
    ctl: Path
    epmd: Path


def search_path() -> str:
    """Return PATH with the directories that only root has on it."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_PATHS])


def find_installation() -> Installation | None:
    """Return the RabbitMQ installed on this machine, if there is a complete one."""
    server, ctl = _script("rabbitmq-server"), _script("rabbitmqctl")
    erl = shutil.which("erl", path=search_path())
    epmd = shutil.which("epmd", path=search_path())
    if server is None or ctl is None or erl is None or epmd is None:
        return None
    return Installation(server=server, ctl=ctl, epmd=Path(epmd))


def install(say: Callable[[str], None]) -> Installation:
    """Install Debian's package, without letting its service start.

    Raises WayClosedError where that can't be done, with what to do instead.
    """
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        raise WayClosedError(f"{_HOW_TO_INSTALL}.")
    if os.geteuid() != 0:
        raise WayClosedError(
            f"only root may install packages. {_HOW_TO_INSTALL}; here: sudo apt-get install "
            "rabbitmq-server."
        )
    say("Installing the package rabbitmq-server with apt-get; this takes a minute or two.")
    with _no_service_started():
        _apt_get("update", "-qq")
        _apt_get("install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server")
    _keep_service_from_booting()
    installed = find_installation()
    if installed is None:
        raise WayClosedError(f"the package rabbitmq-server isn't complete. {_HOW_TO_INSTALL}.")
    return installed


def _script(name: str) -> Path | None:
    behind = _BEHIND_THE_WRAPPER / name
    if os.access(behind, os.X_OK):
        return behind
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def _apt_get(*arguments: str) -> None:
    # Another apt-get may be at work, on a machine that has just booted for example.
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": search_path()}
    done = subprocess.run(
        command,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        last_words = " ".join(done.stdout.split("\n")[-4:]).strip()
        raise WayClosedError(f"apt-get {arguments[0]} failed: {last_words}")


@contextmanager
def _no_service_started() -> Iterator[None]:
    # Debian's packages ask this file whether they may start their service (101: they may not).
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\n# Left by an interrupted installation: delete it.\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _keep_service_from_booting() -> None:
    # We came for a private node; a broker on 5672 after the next boot would be a surprise.
    if Path("/run/systemd/system").exists():
        disable = ["systemctl", "--quiet", "disable", "rabbitmq-server.service"]
        subprocess.run(disable, check=False, stdin=subprocess.DEVNULL, capture_output=True)
