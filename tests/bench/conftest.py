"""The bench is tried last: it keeps the whole machine busy."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of this folder behind all others."""
    items.sort(key=lambda item: _HERE in item.path.parents)
