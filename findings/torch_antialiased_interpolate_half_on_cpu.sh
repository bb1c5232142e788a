#!/usr/bin/env bash
# torch 2.13.0, torch.nn.functional.interpolate(..., antialias=True) of fp16 and bf16 tensors on a CPU.
#
# One would expect: what the same call does without antialias, or in the same types on a GPU: a resampled tensor. Under
# autocast("cpu", torch.bfloat16) too, since interpolate is on none of autocast's lists of what must stay in fp32.
# Seen: without antialias both types are resampled; with it, bilinear and bicubic, both raise NotImplementedError, also within
# autocast, so that a model that resamples feature maps trains in mixed precision on a GPU and stops at its first step on a CPU.
# Output:
#   float16: antialias=False resamples, antialias=True NotImplementedError
#   bfloat16: antialias=False resamples, antialias=True NotImplementedError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy
"$folder/venv/bin/python" - <<'PY'
import torch
from torch.nn.functional import interpolate


def outcome(maps: torch.Tensor, mode: str, antialias: bool) -> str:
    try:
        with torch.autocast("cpu", torch.bfloat16):
            interpolate(maps, size=(6, 6), mode=mode, antialias=antialias)
        return "resamples"
    except NotImplementedError as error:
        return type(error).__name__


for dtype in (torch.float16, torch.bfloat16):
    outcomes = {
        antialias: {outcome(torch.randn(1, 4, 8, 8).to(dtype), mode, antialias) for mode in ("bilinear", "bicubic")}
        for antialias in (False, True)
    }
    print(f"{str(dtype).split('.')[1]}: " + ", ".join(f"antialias={key} {' '.join(value)}" for key, value in outcomes.items()))
    assert outcomes == {False: {"resamples"}, True: {"NotImplementedError"}}, "the behaviour changed"
PY
