"""The prompts before queries and before documents."""

from __future__ import annotations

from typing import Any

from daemon.core.config.tenant_config import EncoderConfig
from daemon.encoder.models.presets import Preset, instruct
from daemon.encoder.models.sentence_transformers.loading import Files

# The names that the library's encode_document looks for, in its order.
_DOCUMENT_NAMES = ("document", "passage", "corpus")


def query_prompt(model: Any, config: EncoderConfig, files: Files, preset: Preset | None) -> str:
    """Choose a query's prompt: the configuration's, else the model's own, else the preset's."""
    if config.query_prompt is not None:
        return config.query_prompt
    if config.query_instruction is not None:
        return instruct(config.query_instruction)
    if preset is not None and "query" not in files.prompts:
        return instruct(preset.instruction)
    return model.prompts.get("query") or ""


def document_prompt(model: Any, config: EncoderConfig) -> str:
    if config.document_prompt is not None:
        return config.document_prompt
    for name in _DOCUMENT_NAMES:
        if name in model.prompts:
            return model.prompts[name] or ""
    return ""
