"""Words about texts that are longer than the model reads."""

from __future__ import annotations


def cut_warnings(cut: int, max_tokens: int) -> dict[str, str]:
    """Say, by kind, that so many texts were cut; nothing if none was."""
    if not cut:
        return {}
    texts, they = ("1 text", "it is") if cut == 1 else (f"{cut} texts", "they are")
    return {
        "texts-cut": f"{texts} cut at {max_tokens} tokens (encoder.max_tokens): {they} found by the beginning alone"
    }
