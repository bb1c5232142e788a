#!/usr/bin/env bash
# diffusers 0.42.1, DDIMScheduler with Stable Diffusion's own settings (timestep_spacing "leading", steps_offset 1).
#
# One would expect: N steps begin at the noisiest training timestep or near it, whatever N is, and never beyond 999.
# Seen: the stride is 1000 // N, so the first timestep is (N - 1) * (1000 // N) + 1. Most counts that do not divide 1000 begin
# well below full noise, in silence (600 steps begin at 600, 334 at 667): sampling from pure noise there gives a spoilt picture.
# And 1000 steps begin at 1000, one beyond the training table's last entry, 999.
# Output:
#   20 -> 951, 30 -> 958, 50 -> 981, 334 -> 667, 600 -> 600, 1000 -> 1000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy diffusers==0.42.1
"$folder/venv/bin/python" - <<'PY'
from diffusers import DDIMScheduler

expected = {20: 951, 30: 958, 50: 981, 334: 667, 600: 600, 1000: 1000}
first = {}
for steps in expected:
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, timestep_spacing="leading", steps_offset=1,
        set_alpha_to_one=False,
    )
    scheduler.set_timesteps(steps)
    first[steps] = int(scheduler.timesteps[0])
print(", ".join(f"{steps} -> {timestep}" for steps, timestep in first.items()))
assert first == expected, "the behaviour changed"
PY
