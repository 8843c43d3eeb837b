"""The lengths of texts and vectors: what the model can, and what the configuration asks of it."""

from __future__ import annotations

from typing import Any

from daemon.core.config.tenant_config import EncoderConfig
from daemon.core.errors import StartRefused

_ENDLESS = 1 << 20  # tokenizers without a limit say 10**30


def dimension(model: Any, wanted: int | None, name: str) -> int:
    """Choose how many values of the model's output are kept. Raises StartRefused."""
    shortened, model.truncate_dim = model.truncate_dim, None
    own = model.get_embedding_dimension()
    if own is None:
        own = len(model.encode("dimension"))
    kept = wanted or shortened or own
    if kept > own:
        raise StartRefused(
            f"cannot use encoder.dimensions {kept}: the vectors of {name} have {own}; allowed: 1 to {own}, or leave it "
            "out",
            dimensions=kept,
            allowed=f"1 to {own}",
        )
    return int(kept)


def document_limit(model: Any, config: EncoderConfig, name: str) -> int:
    """Choose the tokens of a document with its prompt. Raises StartRefused if the model has no place for them."""
    if config.max_tokens is None:
        return own_limit(model)
    positions = _positions(model)
    if config.max_tokens > positions:
        raise StartRefused(
            f"cannot use encoder.max_tokens {config.max_tokens}: {name} has positions for {positions} tokens; allowed: "
            f"16 to {positions}, or leave it out",
            max_tokens=config.max_tokens,
            allowed=f"16 to {positions}",
        )
    return config.max_tokens


def query_limit(model: Any, config: EncoderConfig, prompt_tokens: int) -> int:
    """Choose the tokens of a query and its prompt, which does not count against `max_query_tokens`."""
    most = max(own_limit(model), config.max_tokens or 0)
    return min(most, prompt_tokens + config.max_query_tokens)


def own_limit(model: Any) -> int:
    """Tell the model's own limit: its tokenizer's or files', never more than it has positions for."""
    said = model.max_seq_length
    return int(min(_ENDLESS if said is None else said, _positions(model)))


def _positions(model: Any) -> int:
    config = getattr(model[0], "config", None)
    count = getattr(config, "max_position_embeddings", None)
    if not isinstance(count, int) or count <= 0:
        return _ENDLESS
    return count - _first_position(model)


def _first_position(model: Any) -> int:
    """Tell the first position of a token: RoBERTa's models have two of their 514 positions before it."""
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        index = getattr(module, "padding_idx", None)
        if isinstance(index, int) and hasattr(table, "num_embeddings"):
            return index + 1
    return 0
