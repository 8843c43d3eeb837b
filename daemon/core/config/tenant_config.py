"""The fields of a tenant's file, `tenants.d/<name>.yaml`.

A new field is a line here and its explanation in `tenants.d/life-zh.yaml`; `effects.py` says whether a change of it
restarts the encoder (it does unless listed there).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, GetPydanticSchema, field_validator, model_validator
from pydantic_core.core_schema import literal_schema

from daemon.core.config.backends import BACKENDS, BackendFacts
from daemon.core.config.strict_model import ConfigModel, NotAllowed
from daemon.core.wire import MAX_ENTRY_BYTES, MAX_K

_PRINCIPAL = re.compile(r"uid:[0-9]{1,10}|(linux|group|user):[^\s:/\x00]{1,64}")
_DEVICE = re.compile(r"auto|cpu|cuda:(\d{1,3}|GPU-[0-9a-f-]{8,40}|MIG-[0-9a-f-]{8,40})")


def _principal(text: str) -> str:
    if not _PRINCIPAL.fullmatch(text):
        raise NotAllowed("is not a principal", "uid:N, linux:NAME, group:NAME or user:NAME")
    return text


Principal = Annotated[str, AfterValidator(_principal)]


class TitleConfig(ConfigModel):
    en: str = ""
    zh: str = ""


class FakeConfig(ConfigModel):
    """The behaviour of the shipped fake encoder: the fault, whether queries or documents meet it, after how many."""

    mode: Literal[
        "ok", "slow", "never-ready", "crash-at-start", "crash-on-request", "hang", "spin", "leak", "drift"
    ] = "ok"
    delay_ms: Annotated[float, Field(ge=0, le=600_000)] = 0
    calls: Literal["queries", "documents"] = "queries"
    after: Annotated[int, Field(ge=0)] = 0  # behaves well for this many of these first
    dimension: Annotated[int, Field(ge=2, le=4096)] = 64


# Checked and described like a Literal of the table's names, which a type can't be made of.
_KNOWN_BACKEND = GetPydanticSchema(lambda _source, _handler: literal_schema(list(BACKENDS)))


class EncoderConfig(ConfigModel):
    backend: Annotated[str, _KNOWN_BACKEND]
    model: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    dimensions: Annotated[int, Field(ge=1, le=16384)] | None = None
    max_tokens: Annotated[int, Field(ge=16, le=131072)] | None = None
    max_query_tokens: Annotated[int, Field(ge=8, le=32768)] = 512
    query_instruction: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    batch_tokens: Annotated[int, Field(ge=64, le=4_194_304)] = 16384
    query_cache: Annotated[int, Field(ge=0, le=1_000_000)] = 1024
    trust_remote_code: bool = False
    fake: FakeConfig | None = None

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise NotAllowed("is not a device", "auto, cpu, cuda:N or cuda:GPU-UUID")
        return device

    @model_validator(mode="after")
    def _fits_backend(self) -> EncoderConfig:
        facts = self.facts
        for name, allowed in facts.needs.items():
            if not getattr(self, name):
                raise NotAllowed(f"encoder.{name} is missing", allowed)
        if not self.can_use_gpu and self.device not in ("auto", "cpu"):
            raise NotAllowed(f"the backend {self.backend} runs on the CPU only", "device auto or cpu")
        if self.query_prompt is not None and self.query_instruction is not None:
            raise NotAllowed("encoder.query_prompt and encoder.query_instruction exclude each other", "one")
        for other, theirs in BACKENDS.items():
            for name in theirs.owns:
                if other != self.backend and getattr(self, name):
                    raise NotAllowed(f"encoder.{name} needs backend {other}", "remove it")
        return self

    @property
    def facts(self) -> BackendFacts:
        """The facts of its backend."""
        return BACKENDS[self.backend]

    @property
    def can_use_gpu(self) -> bool:
        """True where it may be given a GPU."""
        return self.facts.can_use_gpu(self.device)


class IndexConfig(ConfigModel):
    store: Literal["faiss"] = "faiss"


class SearchConfig(ConfigModel):
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 5
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    deadline_s: Annotated[float, Field(ge=0.1, le=600)] = 3.0
    chunk_deadline_s: Annotated[float, Field(ge=0.1, le=3600)] = 60.0
    wait_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    wake_wait_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    max_queue: Annotated[int, Field(ge=1, le=100_000)] = 256
    examples: Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=6)] = []


class KnowledgeConfig(ConfigModel):
    min_chars: Annotated[int, Field(ge=1, le=MAX_ENTRY_BYTES)] = 5
    seed: str | None = None
    history_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    old_vectors_hours: Annotated[int, Field(ge=1, le=876_000)] = 24

    @field_validator("seed")
    @classmethod
    def _beside_the_yaml(cls, seed: str | None) -> str | None:
        if seed is not None and (Path(seed).name != seed or seed in (".", "..")):
            raise NotAllowed("is not a plain file name", "a file beside the tenant's YAML")
        return seed


class LimitsConfig(ConfigModel):
    gpu_memory_mb: Annotated[int, Field(ge=1)] | None = None
    memory_mb: Annotated[int, Field(ge=64)] | None = None
    disk_mb: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[float, Field(ge=0.1, le=1024)] | None = None
    park_after_s: Annotated[float, Field(ge=1)] | None = None
    start_s: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    on_memory_limit: Literal["warn", "restart"] = "warn"
    gpu_sharing: Literal["refused", "allowed"] = "refused"


class AccessConfig(ConfigModel):
    searchers: list[Principal] = []
    editors: list[Principal] = []
    admins: list[Principal] = []


class LogConfig(ConfigModel):
    level: Literal["debug", "info", "warning", "error"] = "info"
    queries: bool = False


class TenantConfig(ConfigModel):
    title: TitleConfig = TitleConfig()
    encoder: EncoderConfig
    index: IndexConfig = IndexConfig()
    search: SearchConfig = SearchConfig()
    knowledge: KnowledgeConfig = KnowledgeConfig()
    limits: LimitsConfig = LimitsConfig()
    access: AccessConfig = AccessConfig()
    log: LogConfig = LogConfig()

    @property
    def threshold(self) -> float:
        """The score above which a hit is shown as good: the file's, else the backend's default."""
        chosen = self.search.threshold
        return self.encoder.facts.threshold if chosen is None else chosen
