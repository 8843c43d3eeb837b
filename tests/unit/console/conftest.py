"""A console of these tests: built once, with a new daemon behind it for each of them."""

from __future__ import annotations

import pytest

from tests.support.console.site import Site, make_site


@pytest.fixture(scope="session")
def built_site() -> Site:
    """The application, whose two pages take a second to build."""
    return make_site()


@pytest.fixture
def site(built_site: Site) -> Site:
    """A console in front of a new in-memory daemon."""
    built_site.reset()
    return built_site
