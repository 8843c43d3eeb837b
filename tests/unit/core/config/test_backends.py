"""The configuration knows of backends just what their table says."""

from __future__ import annotations

import pytest

from daemon.core.config.backends import BACKENDS, facts_of_fingerprint
from daemon.core.config.tenant_config import EncoderConfig


def test_the_configuration_takes_each_and_no_other() -> None:
    assert EncoderConfig.model_json_schema()["properties"]["backend"]["enum"] == list(BACKENDS)
    with pytest.raises(ValueError, match=", ".join(f"'{name}'" for name in list(BACKENDS)[:-1])):
        EncoderConfig.model_validate({"backend": "gpt"})


@pytest.mark.parametrize("name", BACKENDS)
def test_its_fields_are_fields_of_the_configuration(name: str) -> None:
    assert {*BACKENDS[name].needs, *BACKENDS[name].owns} <= EncoderConfig.model_fields.keys()


@pytest.mark.parametrize("name", BACKENDS)
def test_what_it_needs_must_be_there(name: str) -> None:
    for field in BACKENDS[name].needs:
        with pytest.raises(ValueError, match=f"encoder.{field} is missing"):
            EncoderConfig.model_validate({"backend": name})


def test_what_one_owns_no_other_may_have() -> None:
    with pytest.raises(ValueError, match=r"encoder\.fake needs backend fake"):
        EncoderConfig.model_validate({"backend": "use-multilingual", "fake": {}})


def test_a_gpu_goes_to_those_that_can_use_it() -> None:
    def can(backend: str, device: str) -> bool:
        return EncoderConfig(backend=backend, model="of/any", device=device).can_use_gpu

    assert [can("sentence-transformers", device) for device in ("auto", "cpu", "cuda:0")] == [True, True, True]
    assert [can("fake", device) for device in ("auto", "cuda:0")] == [False, True]
    assert not can("use-multilingual", "auto")
    with pytest.raises(ValueError, match="runs on the CPU only"):
        EncoderConfig(backend="use-multilingual", device="cuda:0")


def test_a_fingerprint_names_its_backend() -> None:
    assert facts_of_fingerprint("fake v1 d64 t9") is BACKENDS["fake"]
    assert facts_of_fingerprint("gpt v1") is None
