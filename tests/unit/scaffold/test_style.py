"""Style: what ruff is told, wherever it is told."""

from pathlib import Path

import pytest

from toolkit.errors import ConfigurationError
from toolkit.scaffold.style import style_of


@pytest.mark.parametrize(
    ("files", "width"),
    [
        ({}, 88),
        ({"pyproject.toml": "[project]"}, 88),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 70"}, 70),
        ({"ruff.toml": "line-length = 60", "pyproject.toml": "[tool.ruff]\nline-length = 70"}, 60),
        ({".ruff.toml": "line-length = 50", "ruff.toml": "line-length = 60"}, 50),
    ],
)
def test_the_width_of_a_line_is_ruffs(files: dict[str, str], width: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert style_of(tmp_path).width == width


def test_imports_are_in_isorts_four_groups(tmp_path: Path) -> None:
    """The project's own are the folders of its root, and what it says itself."""
    (tmp_path / "apps").mkdir()
    text = '[tool.ruff.lint.isort]\nknown-first-party = ["toolkit"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    style = style_of(tmp_path)
    modules = ("json", "pydantic", "apps.payments", "toolkit.testing", "tests.shop", ".contracts")
    assert [style.group(module) for module in modules] == [0, 1, 2, 2, 2, 3]


def test_code_is_laid_out_as_the_project_has_it(tmp_path: Path) -> None:
    """Quotes and width; and an error of ruff's is told."""
    settings = tmp_path / "pyproject.toml"
    settings.write_text('[tool.ruff]\nline-length = 20\nformat.quote-style = "single"\n')
    assert style_of(tmp_path).formatted('f("a", "b", "c", "d")\n') == (
        "f(\n    'a',\n    'b',\n    'c',\n    'd',\n)\n"
    )
    settings.write_text("[tool.ruff]\nnothing = 1\n")
    with pytest.raises(ConfigurationError, match="ruff can't format new code here"):
        style_of(tmp_path).formatted("x = 1\n")
