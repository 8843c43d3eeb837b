"""A module for a model's folder that misbehaves when it is told to; `python -m …made_model --misbehaves` puts it there.

It is the model's own code, run by the encoder as `trust_remote_code` allows, so that the daemon sees what it would see
of a faulty kernel or of a library that takes memory past PyTorch. The file `misbehave` in the tenant's data folder
says what to do at the next call: `spin SECONDS` keeps the GPU busy, `hold MIB` takes memory from the driver itself;
without it, or with another word, what is held is given back.
"""

from __future__ import annotations

import ctypes
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

_CYCLES_PER_S = 2e9  # about what a data-centre GPU runs at


class Misbehave(nn.Module):  # type: ignore[misc]
    """Pass everything on, after doing what the file says."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = Path(order)
        self.held: Any = None

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **_: Any) -> Misbehave:
        return cls(json.loads((Path(model_name_or_path) / subfolder / "config.json").read_text())["order"])

    def forward(self, features: Any, **_: Any) -> Any:
        words = self.order.read_text().split() if self.order.exists() else ["behave"]
        if words[0] == "spin":
            self._spin(float(words[1]))
        elif words[0] == "hold" and self.held is None:
            self._hold(int(words[1]) << 20)
        elif words[0] == "behave":
            self._give_back()
        return features

    def _spin(self, seconds: float) -> None:
        if not torch.cuda.is_available():
            time.sleep(seconds)
            return
        torch.cuda._sleep(int(seconds * _CYCLES_PER_S))  # one kernel, which nothing can interrupt
        torch.cuda.synchronize()

    def _hold(self, size: int) -> None:
        if torch.cuda.is_available():
            self.held = ctypes.c_uint64()
            code = ctypes.CDLL("libcuda.so.1").cuMemAlloc_v2(ctypes.byref(self.held), ctypes.c_size_t(size))
            if code != 0:
                raise RuntimeError(f"cuMemAlloc of {size} bytes: error {code}")

    def _give_back(self) -> None:
        if self.held is not None:
            ctypes.CDLL("libcuda.so.1").cuMemFree_v2(self.held)
            self.held = None
