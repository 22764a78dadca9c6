"""A provider with one RSA key."""

from __future__ import annotations

from typing import Any

import pytest

from access.provider import Provider
from issuer import signing


@pytest.fixture
def rsa() -> Any:
    return signing("RSA", "one")


@pytest.fixture
def provider(rsa: Any) -> Provider:
    return Provider(rsa)
