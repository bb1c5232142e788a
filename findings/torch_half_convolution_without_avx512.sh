#!/usr/bin/env bash
# torch 2.13.0, convolutions in fp16 and bf16 on an x86 processor with AVX2 but without AVX-512.
#
# One would expect: half the memory, and about the time of fp32, perhaps twice that, as numbers are converted on the way.
# Seen: a 3x3 convolution of 64 channels at 128x128 takes more than a hundred times as long as in fp32, in either type, without a
# word, while attention and norms are as fast as ever and a linear layer takes 7 times as long. So a model cast to bf16 seems to
# hang, and training under autocast("cpu", torch.bfloat16), which pays with AVX-512, is two orders of magnitude slower.
# On other processors there is nothing to see, and the script says so.
# Output (processor seconds of one convolution):
#   AVX2: fp32 0.03, fp16 3.95, bf16 3.77
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy
"$folder/venv/bin/python" - <<'PY'
import time

import torch

capability = torch.backends.cpu.get_cpu_capability()
seconds = {}
with torch.no_grad():
    for name, dtype in {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.items():
        convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(dtype)
        picture = torch.randn(1, 64, 128, 128).to(dtype)
        times = []
        for _ in range(3):
            start = time.process_time()
            convolution(picture)
            times.append(time.process_time() - start)
        seconds[name] = min(times)
print(f"{capability}: " + ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))
if capability == "AVX2":
    assert min(seconds["fp16"], seconds["bf16"]) > 20 * seconds["fp32"], "the behaviour changed"
else:
    print("not a processor with AVX2 alone: nothing to see")
PY
