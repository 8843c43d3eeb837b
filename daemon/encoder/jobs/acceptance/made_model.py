"""`python -m daemon.encoder.jobs.acceptance.made_model FOLDER SIZE`: a Qwen3-Embedding with random weights.

Layers, heads, hidden size and vocabulary are those of the published model, so speed and memory are true; only meaning
is not. Configurations: https://huggingface.co/Qwen/Qwen3-Embedding-0.6B and -4B, config.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from daemon.core.encoder_protocol.sample_texts import corpus

SIZES: dict[str, dict[str, int]] = {
    "0.6B": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16},
    "4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32},
    # For a rehearsal on a CPU.
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 16},
}
_HEADS = {"num_key_value_heads": 8, "head_dim": 128}
_VOCABULARY = {"0.6B": 151_669, "4B": 151_665, "tiny": 12_000}
_MERGES = 10_000
_END, _CHAT_END = "<|endoftext|>", "<|im_end|>"
_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


def make(folder: Path, size: str, order: Path | None = None) -> None:
    """Write the model into `folder`, readable by every user; `order` adds the module of `misbehave.py`."""
    folder.mkdir(parents=True)
    _write_tokenizer(folder, _VOCABULARY[size])
    _write_weights(folder, size)
    modules = [
        ("", "sentence_transformers.models.Transformer"),
        ("1_Pooling", "sentence_transformers.models.Pooling"),
        ("2_Normalize", "sentence_transformers.models.Normalize"),
    ]
    if order is not None:
        modules.append(("3_Misbehave", "misbehave.Misbehave"))
        _write_json(folder / "3_Misbehave" / "config.json", {"order": str(order)})
        (folder / "misbehave.py").write_bytes(Path(__file__).with_name("misbehave.py").read_bytes())
    rows = [{"idx": at, "name": str(at), "path": path, "type": type_} for at, (path, type_) in enumerate(modules)]
    _write_json(folder / "modules.json", rows)
    pooling = {"word_embedding_dimension": SIZES[size]["hidden_size"], "pooling_mode_lasttoken": True}
    _write_json(folder / "1_Pooling" / "config.json", {**pooling, "pooling_mode_mean_tokens": False})
    prompts = {"query": _PROMPT, "document": ""}
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _write_tokenizer(folder: Path, size: int) -> None:
    """Train byte-level BPE on this host's own texts, and fill its vocabulary up to the published size."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_MERGES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus().splitlines(), trainer)
    special = (_END, "<|im_start|>", _CHAT_END)
    tokenizer = Tokenizer.from_str(_filled(tokenizer.to_str(), size - len(special)))
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"$A {_END}", special_tokens=[(_END, tokenizer.token_to_id(_END))]),
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": _CHAT_END, "pad_token": _END, "unk_token": None}
    _write_json(folder / "tokenizer_config.json", {**described, "add_bos_token": False, "model_max_length": 131072})


def _filled(tokenizer: str, size: int) -> str:
    """Fill a vocabulary with tokens that no text has; special tokens have the numbers above, as published."""
    made = json.loads(tokenizer)
    vocabulary = made["model"]["vocab"]
    vocabulary.update({f"unused-{number}": number for number in range(len(vocabulary), size)})
    return json.dumps(made, ensure_ascii=False)


def _write_weights(folder: Path, size: str) -> None:
    """Draw the weights in bfloat16, on the GPU where there is one: 4B take a minute on a processor."""
    import torch
    from transformers import Qwen3Config, Qwen3Model
    from transformers.utils import logging

    logging.disable_progress_bar()
    shape = {**SIZES[size], **_HEADS} if size != "tiny" else {**SIZES[size], "num_key_value_heads": 2, "head_dim": 16}
    config = Qwen3Config(
        vocab_size=_VOCABULARY[size],
        max_position_embeddings=32768,
        rope_theta=1_000_000,
        tie_word_embeddings=True,
        architectures=["Qwen3ForCausalLM"],
        **shape,
    )
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen3Model(config)
    model.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text())
    _write_json(folder / "config.json", {**written, "architectures": ["Qwen3ForCausalLM"]})


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def main() -> int:
    parser = argparse.ArgumentParser("daemon.encoder.jobs.acceptance.made_model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("--misbehaves", type=Path, metavar="ORDER", help="see misbehave.py")
    options = parser.parse_args()
    make(options.folder, options.size, options.misbehaves)
    return 0


if __name__ == "__main__":
    sys.exit(main())
