"""Every pack of these tests is signed, unless a test takes the key away."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.migrations_app.packs.packing import PRIVATE


@pytest.fixture(autouse=True)
def _a_key(settings: Settings) -> None:
    settings.IAMCLEANUP_PACK_KEY = PRIVATE
