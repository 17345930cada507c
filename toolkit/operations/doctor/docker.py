"""Docker and Compose, which are needed only where a project has a compose file.

Receives the folder of a project, hands findings.
"""

import asyncio
import shutil
from pathlib import Path

from toolkit.operations.doctor.finding import Finding, Status

CHECK = "machine"
FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which `docker compose` looks for them."""

_INSTALL = "https://docs.docker.com/engine/install/"


def compose_file(root: Path | None) -> Path | None:
    """The one that `docker compose` would take in this folder."""
    if root is None:
        return None
    return next((root / name for name in FILES if (root / name).is_file()), None)


async def engine(file: Path | None) -> list[Finding]:
    """Whether an engine answers."""
    missing: Status = "wrong" if file else "note"
    why = f"{file.name} needs it" if file else "only compose files and test brokers need it"
    if shutil.which("docker") is None:
        return [Finding(CHECK, "Docker", missing, f"there is no `docker`; {why}", _INSTALL)]
    code, said = await _run("version", "--format", "{{.Server.Version}}")
    if code:
        sentence = f"the engine doesn't answer; {why} ({_last_line(said)})"
        fix = "start it: `sudo systemctl start docker`, or Docker Desktop"
        return [Finding(CHECK, "Docker", missing, sentence, fix)]
    return [Finding(CHECK, "Docker", "ok", f"engine {said}")]


async def compose(file: Path | None) -> list[Finding]:
    """Whether it is there, and can read the project's file."""
    if shutil.which("docker") is None:
        return []
    code, said = await _run("compose", "version", "--short")
    if code:
        missing: Status = "wrong" if file else "note"
        fix = "install the plugin: https://docs.docker.com/compose/install/"
        return [Finding(CHECK, "Compose", missing, "there is no `docker compose`", fix)]
    found = [Finding(CHECK, "Compose", "ok", said)]
    return [*found, *await _valid(file)] if file else found


async def _valid(file: Path) -> list[Finding]:
    code, said = await _run("compose", "--file", str(file), "config", "--quiet")
    if code:
        fix = f"mend it; `docker compose --file {file.name} config` shows how it is understood"
        return [Finding(CHECK, file.name, "wrong", f"can't be used: {_last_line(said)}", fix)]
    return [Finding(CHECK, file.name, "ok", "can be read")]


async def _run(*words: str) -> tuple[int, str]:
    """The exit code and what was printed; killed if nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        "docker",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace").strip()


def _last_line(text: str) -> str:
    return text.splitlines()[-1] if text else "it said nothing"
