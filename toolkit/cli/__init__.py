"""The command line: commands only, no logic of their own.

`main` is the entry point, `target` finds the service that a command names.
"""

from toolkit.cli.main import main

__all__ = ["main"]
