"""The cost of a changed field, for the encoder that runs and for the vectors that it stored."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.core.config.effects import DAEMONS_OWN, FINGERPRINTED, effect, may_reembed, needs_restart
from daemon.core.config.tenant_config import TenantConfig


def config(**sections: Any) -> TenantConfig:
    return TenantConfig.model_validate({"encoder": {"backend": "fake"}, **sections})


def test_what_the_daemon_reads_itself_are_fields_of_a_tenants_file() -> None:
    for section, names in DAEMONS_OWN.items():
        model = TenantConfig.model_fields[section].annotation
        assert model is not None
        assert isinstance(names, bool) or names <= model.model_fields.keys()


@pytest.mark.parametrize(
    ("changed", "restarts"),
    [
        ({"title": {"en": "Sales"}}, False),
        ({"access": {"searchers": ["uid:7"]}}, False),
        ({"search": {"deadline_s": 5, "wait_s": 1, "threshold": 0.7}}, False),
        ({"limits": {"park_after_s": 60, "on_memory_limit": "restart"}}, False),
        ({"search": {"k": 7}}, True),
        ({"search": {"max_queue": 7}}, True),
        ({"limits": {"cpus": 1}}, True),
        ({"limits": {"memory_mb": 512}}, True),
        ({"knowledge": {"min_chars": 1}}, True),
        ({"log": {"queries": True}}, True),
        ({"encoder": {"backend": "fake", "query_cache": 0}}, True),
    ],
    ids=str,
)
def test_only_what_an_encoder_was_started_with_restarts_it(changed: dict[str, Any], restarts: bool) -> None:
    assert needs_restart(config(), config(**changed)) is restarts
    assert needs_restart(config(**changed), config()) is restarts


@pytest.mark.parametrize(
    ("field", "does"),
    [
        ("title.en", "daemon"),
        ("search.threshold", "daemon"),
        ("search.k", "restart"),
        ("limits.memory_mb", "restart"),
        ("encoder.query_cache", "restart"),
        ("encoder.fake", "re-embed"),
        *((f"encoder.{name}", "re-embed") for name in FINGERPRINTED),
    ],
)
def test_the_effect_of_a_field(field: str, does: str) -> None:
    assert effect(field) == does


def test_another_vector_means_another_fingerprint() -> None:
    wider = config(encoder={"backend": "fake", "fake": {"dimension": 16}})
    assert may_reembed(config(), wider)
    assert not may_reembed(wider, wider)
    assert not may_reembed(config(), config(search={"k": 7}))
