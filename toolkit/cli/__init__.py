"""The command line: commands only, no logic of their own.

`main` is the entry point and knows every command by name, without importing any; `new`, `dev`,
`run`, `publish`, `tap`, `describe` and `doctor` are one command each. `output` is how they speak,
`ending` how they end, `completion` what a shell completes.
"""

from toolkit.cli.main import main

__all__ = ["main"]
