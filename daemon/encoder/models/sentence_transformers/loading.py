"""The loading of a model, offline; one that does not load is refused with the reason."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.core.config.tenant_config import EncoderConfig
from daemon.core.errors import StartRefused
from daemon.encoder.models.places import ModelPlace
from daemon.encoder.models.presets import Preset, preset_for
from daemon.encoder.models.sentence_transformers.device import Device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """The contents of a model's JSON files; {} for those that are not there."""

    config: dict[str, Any]
    own: dict[str, Any]
    pooling: dict[str, Any]
    has_modules: bool

    @classmethod
    def read(cls, folder: Path) -> Files:
        """Read the files. Raises StartRefused."""
        return cls(
            _json(folder / "config.json"),
            _json(folder / "config_sentence_transformers.json"),
            _json(folder / "1_Pooling" / "config.json"),
            (folder / "modules.json").is_file(),
        )

    @property
    def pooling_mode(self) -> str | None:
        """The pooling mode that the files name, in the old or the new way; None if they name none."""
        named = self.pooling.get("pooling_mode")
        if isinstance(named, str):
            return named
        modes = [key.removeprefix("pooling_mode_") for key, on in self.pooling.items() if on is True]
        modes = [mode for mode in modes if mode != "include_prompt"]
        return modes[0] if modes else None

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts by name, as the model's files have them."""
        found = self.own.get("prompts")
        return found if isinstance(found, dict) else {}

    def preset(self, name: str) -> Preset | None:
        return preset_for(name, self.config, self.pooling_mode)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StartRefused(f"cannot read {path}: {error}; fetch the model again") from error
    if not isinstance(content, dict):
        raise StartRefused(f"cannot use {path}: it holds no JSON object; fetch the model again")
    return content


def load(config: EncoderConfig, place: ModelPlace, device: Device, preset: Preset | None) -> Any:
    """Load a SentenceTransformer onto its device. Raises StartRefused; ImportError if a package is missing."""
    _keep_offline()
    from sentence_transformers import SentenceTransformer

    _quiet()
    try:
        model = SentenceTransformer(
            str(place.folder),
            device=str(device.torch),
            local_files_only=True,
            trust_remote_code=config.trust_remote_code,
            model_kwargs=_model_options(config, preset),
        )
        return _in_dtype(model, config.dtype).eval()
    except ModuleNotFoundError:
        raise
    except Exception as error:  # the libraries raise whatever they like; the cause is always the model or the host
        raise _refused(place, config, error) from error


def _keep_offline() -> None:
    """Set what huggingface_hub reads once, when it is imported; the daemon sets it, too."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _quiet() -> None:
    """Turn progress bars off, and send the libraries' lines through our own formatter."""
    from transformers.utils import logging as theirs

    theirs.disable_progress_bar()
    theirs.disable_default_handler()
    theirs.enable_propagation()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)


def _model_options(config: EncoderConfig, preset: Preset | None) -> dict[str, Any]:
    dtype = config.dtype
    if dtype == "auto" and preset is not None:
        dtype = preset.dtype  # type: ignore[assignment]
    options: dict[str, Any] = {"dtype": dtype}
    if config.attention != "auto":
        options["attn_implementation"] = config.attention
    if not config.trust_remote_code:
        options["use_safetensors"] = True
    return options


def _in_dtype(model: Any, dtype: str) -> Any:
    """Convert modules that know no dtype of their own."""
    import torch

    return model if dtype == "auto" else model.to(getattr(torch, dtype))


def _refused(place: ModelPlace, config: EncoderConfig, error: Exception) -> StartRefused:
    import torch

    reason = " ".join(str(error).split())[:1000] or type(error).__name__
    way_out = "run `vecward model verify` on the tenant, or name another model"
    if isinstance(error, torch.OutOfMemoryError):
        way_out = "raise limits.gpu_memory_mb, or choose a smaller model"
    elif "trust_remote_code" in reason:
        way_out = "it brings Python code of its own; if you trust whoever made it, set encoder.trust_remote_code: true"
    elif config.attention != "auto":
        way_out = f"set encoder.attention to auto if {config.attention} is the cause"
    return StartRefused(f"cannot load the model {place.name} from {place.folder}: {reason}; {way_out}")
