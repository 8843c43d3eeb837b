"""A tenant's file, `tenants.d/<name>.yaml`: the whole truth about that tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import AfterValidator, Field, field_validator, model_validator

from daemon.core.config import strict_yaml
from daemon.core.config.strict_model import ConfigModel, check
from daemon.core.config.strict_yaml import Document, Location
from daemon.core.errors import Invalid, InvalidConfig
from daemon.core.wire import MAX_ENTRY_BYTES, MAX_K, shorten

NAME = re.compile(r"[a-z][a-z0-9-]{0,27}")  # "vw-" and 28 more fit Linux's 31 characters for a user name
NAME_ALLOWED = "1 to 28 of a-z, 0-9 and -, beginning with a letter"
_PRINCIPAL = re.compile(r"uid:[0-9]{1,10}|(linux|group|user):[^\s:/\x00]{1,64}")
DEVICE: Location = ("encoder", "device")
SEED: Location = ("knowledge", "seed")
_DEVICE = re.compile(r"auto|cpu|cuda:(\d{1,3}|GPU-[0-9a-f-]{8,40}|MIG-[0-9a-f-]{8,40})")

THRESHOLDS = {"use-multilingual": 0.3, "sentence-transformers": 0.4, "fake": 0.3}


def check_name(name: str) -> str:
    """Raises Invalid when `name` can't name a tenant."""
    if not NAME.fullmatch(name):
        raise Invalid(
            f"cannot use {shorten(name, 40)!r} as a tenant's name; allowed: {NAME_ALLOWED}",
            field="name", value=shorten(name, 40), allowed=NAME_ALLOWED,
        )  # fmt: skip
    return name


def _principal(text: str) -> str:
    if not _PRINCIPAL.fullmatch(text):
        raise ValueError("is not a principal; allowed: uid:N, linux:NAME, group:NAME or user:NAME")
    return text


Principal = Annotated[str, AfterValidator(_principal)]


class TitleConfig(ConfigModel):
    en: str = ""
    zh: str = ""


class FakeConfig(ConfigModel):
    """The shipped fake encoder's behaviour (tests): what goes wrong, with queries or documents, and after how many."""

    mode: Literal[
        "ok", "slow", "never-ready", "crash-at-start", "crash-on-request", "hang", "spin", "leak", "drift"
    ] = "ok"
    delay_ms: Annotated[float, Field(ge=0, le=600_000)] = 0
    calls: Literal["queries", "documents"] = "queries"
    after: Annotated[int, Field(ge=0)] = 0  # behaves well for this many of these first
    dimension: Annotated[int, Field(ge=2, le=4096)] = 64


class EncoderConfig(ConfigModel):
    backend: Literal["use-multilingual", "sentence-transformers", "fake"]
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
            raise ValueError("is not a device; allowed: auto, cpu, cuda:N or cuda:GPU-UUID")
        return device

    @model_validator(mode="after")
    def _fits_backend(self) -> EncoderConfig:
        if self.backend == "sentence-transformers" and not self.model:
            raise ValueError(
                "encoder.model is missing; allowed: a model id such as Qwen/Qwen3-Embedding-0.6B or a path"
            )
        if not self.can_use_gpu and self.device not in ("auto", "cpu"):
            raise ValueError(f"the backend {self.backend} runs on the CPU only; allowed: device auto or cpu")
        if self.query_prompt is not None and self.query_instruction is not None:
            raise ValueError("encoder.query_prompt and encoder.query_instruction exclude each other; allowed: one")
        if self.fake and self.backend != "fake":
            raise ValueError("encoder.fake needs backend fake; allowed: remove it")
        return self

    @property
    def can_use_gpu(self) -> bool:
        """The fake only says so: it takes the GPU it is given, and the CPU where it may choose."""
        return self.backend == "sentence-transformers" or (self.backend == "fake" and self.device != "auto")


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
            raise ValueError("is not a plain file name; allowed: a file beside the tenant's YAML")
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
        """The score above which a hit is shown as good; the backend's default unless the file says one."""
        chosen = self.search.threshold
        return THRESHOLDS[self.encoder.backend] if chosen is None else chosen


@dataclass(frozen=True)
class TenantFile:
    """One file in tenants.d: its configuration, or the error that keeps this tenant alone from running.

    `lines` holds those of DEVICE and SEED, which other tenants' files have a say in.
    """

    name: str
    path: Path
    config: TenantConfig | None = None
    error: InvalidConfig | None = None
    lines: Mapping[Location, int] = field(default_factory=dict)

    @property
    def gpu(self) -> str | None:
        """The GPU that it names, as it is written; None: none, or `auto`."""
        device = self.config.encoder.device if self.config is not None else ""
        return device if device.startswith("cuda:") else None

    @property
    def shares_gpu(self) -> bool:
        return self.config is not None and self.config.limits.gpu_sharing == "allowed"

    @property
    def seed(self) -> Path | None:
        if self.config is None or self.config.knowledge.seed is None:
            return None
        return self.path.parent / self.config.knowledge.seed

    def refuse(self, location: Location, value: object, allowed: str, problem: str) -> NoReturn:
        """Raises InvalidConfig about what stands there."""
        strict_yaml.refuse(
            self.path, self.lines.get(location, 1), ".".join(map(str, location)), value, allowed, problem
        )


def parse_tenant(raw: bytes, path: Path) -> TenantFile:
    """A tenant's file from YAML bytes that stand, or would stand, in `path`. Raises InvalidConfig."""
    return _checked(strict_yaml.parse(raw, path))


def load_tenant(path: Path) -> TenantFile:
    """Reads one tenant file; what is wrong with it is in the answer, not raised."""
    name = path.stem
    try:
        if not NAME.fullmatch(name):
            strict_yaml.refuse(path, 1, "file name", name, NAME_ALLOWED, "can't name a tenant")
        file = _checked(strict_yaml.load(path))
        check_seed(file)
    except InvalidConfig as error:
        return TenantFile(name, path, error=error)
    return file


def _checked(document: Document) -> TenantFile:
    lines = {location: document.line_of(location) for location in (DEVICE, SEED)}
    return TenantFile(document.path.stem, document.path, config=check(TenantConfig, document), lines=lines)


def check_seed(file: TenantFile) -> None:
    """Raises InvalidConfig when the seed that the file names can't be used."""
    if file.seed is not None and (problem := _seed_problem(file.seed)):
        file.refuse(SEED, file.seed.name, "a file beside the YAML", problem)


def _seed_problem(path: Path) -> str | None:
    """Root opens it and hands it to the tenant: a link could lead to another's file."""
    if path.is_symlink():
        return "is a link"
    if not path.exists():
        return "is not there"
    return None if path.is_file() else "is not a regular file"
