"""The guide's code, run as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[3] / "docs" / "embedded.md"


def test_the_guide_is_true() -> None:
    """It prints an address, and the one message that lies in the queue."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    address, ready = run.stdout.splitlines()
    assert re.fullmatch(r"amqp://guest:guest@127\.0\.0\.1:\d+/", address)
    assert ready == "1"
