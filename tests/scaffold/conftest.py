"""What the tests of `toolkit new` share."""

from pathlib import Path

import pytest

from tests.scaffold.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """An empty folder."""
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def _a_shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    workshop = Workshop(tmp_path_factory.mktemp("shop"))
    workshop.new("project", "shop")
    workshop.at("shop").new("service", "payments")
    return workshop


@pytest.fixture
def shop(_a_shop: Workshop, tmp_path: Path) -> Workshop:
    """A project with one service, for this test alone."""
    for name, content in _a_shop.files().items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (_a_shop.folder / name).is_file():
            place.write_bytes(content)
    return Workshop(tmp_path / "shop")
