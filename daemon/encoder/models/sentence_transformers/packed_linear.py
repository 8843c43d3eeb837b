"""Linear layers on the CPU through oneDNN, with their weights laid out for it once.

PyTorch multiplies through MKL, which is slow on processors of other makers, and has oneDNN lay out bfloat16 weights
anew at each call. Measured on an AMD EPYC (Zen 5), all-MiniLM-L6-v2 in float32: 1.7 times the queries and 1.9 times
the texts a second, the vectors equal to 2e-7. Each layer is compared with the original before it takes its place, and
nothing is replaced where it is not faster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

log = logging.getLogger(__name__)

_DTYPES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # and how far apart results may be, relative to the largest
_TRIAL_ROWS = 16
_WORTH_IT = 0.9  # of the original's time


class PackedLinear(nn.Module):  # type: ignore[misc]  # (torch is not looked into)
    """y = x W' + b; `weight` keeps the dtype, which some models look at, and no data."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self.weight = torch.empty(0, dtype=linear.weight.dtype)
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, x: Any) -> Any:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")


def pack(model: nn.Module) -> int:
    """Replace the linear layers of a model on the CPU, if that makes it faster, and count them."""
    places = list(_linears(model))
    if not places or not _possible():
        return 0
    largest = max((linear for _, _, linear in places), key=lambda linear: linear.weight.numel())
    try:
        if not _faster(largest):
            return 0
        replaced = sum(_replace(parent, name, linear) for parent, name, linear in places)
    except (RuntimeError, AttributeError, TypeError) as error:  # the operators are PyTorch's own and may change
        log.info("linear-layers-not-packed", extra={"reason": str(error)[:500]})
        return 0
    _leave_the_file(model)
    return replaced


def _leave_the_file(model: nn.Module) -> None:
    """Copy the weights that are left out of their mapped file, which would stay in memory as a whole for them."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()


def _possible() -> bool:
    return bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _linears(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Linear and child.weight.dtype in _DTYPES and child.weight.device.type == "cpu":
                yield parent, name, child


def _trial(linear: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(_TRIAL_ROWS, linear.in_features, generator=generator)
    return x.to(linear.weight.dtype)


def _faster(linear: Any) -> bool:
    x = _trial(linear)
    packed = PackedLinear(linear)
    with torch.inference_mode():
        theirs, ours = _best(lambda: linear(x)), _best(lambda: packed(x))
    log.debug("linear-layers-timed", extra={"original_us": theirs * 1e6, "packed_us": ours * 1e6})
    return ours < _WORTH_IT * theirs


def _best(call: Callable[[], object], rounds: int = 15) -> float:
    call()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _replace(parent: nn.Module, name: str, linear: Any) -> bool:
    """Replace one layer, if it computes the same: the weights are in memory twice for one layer only."""
    x = _trial(linear)
    packed = PackedLinear(linear)
    with torch.inference_mode():
        expected, found = linear(x).float(), packed(x).float()
    if (expected - found).abs().max() > _DTYPES[linear.weight.dtype] * expected.abs().max():
        return False
    setattr(parent, name, packed)
    return True
