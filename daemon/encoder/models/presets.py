"""Settings that a model needs and that its files do not always name: today, of the three sizes of Qwen3-Embedding.

From the model's card (Qwen/Qwen3-Embedding-0.6B, -4B, -8B): queries carry an instruction, documents none; the vector
is the last token's, which is `<|endoftext|>`, so texts are padded on the left and the end token survives a cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    instruction: str
    dtype: str
    padding_side: str
    pooling: str
    end_token: str


QWEN3_EMBEDDING = Preset(
    instruction="Given a web search query, retrieve relevant passages that answer the query",
    dtype="bfloat16",
    padding_side="left",
    pooling="lasttoken",
    end_token="<|endoftext|>",  # noqa: S106  (no password)
)

# (hidden_size, num_hidden_layers) of each size, for folders that are called something else.
_QWEN3_SIZES = {"0.6B": (1024, 28), "4B": (2560, 36), "8B": (4096, 36)}
_QWEN3_NAME = re.compile(r"qwen3-embedding", re.IGNORECASE)


def preset_for(name: str, config: Mapping[str, Any], pooling: str | None) -> Preset | None:
    """Find the preset of a model, by its config.json and by the pooling mode that its files name, if any."""
    if config.get("model_type") != "qwen3" or pooling not in (None, QWEN3_EMBEDDING.pooling):
        return None
    size = (config.get("hidden_size"), config.get("num_hidden_layers"))
    if _QWEN3_NAME.search(name) or size in _QWEN3_SIZES.values():
        return QWEN3_EMBEDDING
    return None


def instruct(task: str) -> str:
    """Write the prompt before a query, without a space after `Query:`, as the model was trained."""
    return f"Instruct: {task}\nQuery:"
