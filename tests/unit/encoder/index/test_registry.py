"""Each kind of index that the configuration allows is there, and no other."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from daemon.core.config.tenant_config import IndexConfig
from daemon.encoder.index.registry import KINDS


def test_the_configuration_names_each_kind() -> None:
    assert set(KINDS) == set(get_args(IndexConfig.model_fields["store"].annotation))


def test_another_kind_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(ValidationError, match="faiss"):
        IndexConfig.model_validate({"store": "annoy"})
