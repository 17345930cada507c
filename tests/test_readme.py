"""The README names nothing that isn't there; its code is run by `test_docs`, as all pages' is."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("target", ["demo", "test", "check", "docs"])
def test_every_make_target_that_is_named_exists(target: str) -> None:
    """`make demo`, `make test`, `make check` and `make docs` are in the README and the Makefile."""
    assert f"make {target}" in (ROOT / "README.md").read_text()
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()
