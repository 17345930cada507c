"""The command line: commands only, no logic of their own.

`main` is the entry point and knows every command by name, without importing any; `new`, `dev`,
`run`, `publish`, `tap`, `describe`, `doctor`, `dead`, `topology`, `top` and `capacity` are one
command each, of which `dead` shows what it finds by way of `letters`. `output` is how they speak,
`ending` how they end, `option` what several of them take, `completion` what a shell completes.
"""

from toolkit.cli.main import main

__all__ = ["main"]
