"""Steps that are not as many as asked: core's `ddim_uniform` beside diffusers' "leading" grid (docs/method.md, 13)."""

import json

import comfy.samplers
import host
import pytest

WORKFLOWS = sorted((host.PACK / "workflows" / "api").glob("*.json"))
# Asked for: (steps of the host, its first timestep, the first of diffusers).
GRIDS = {
    7: (8, 995, 853), 20: (20, 951, 951), 25: (25, 961, 961), 30: (31, 991, 958), 40: (40, 976, 976),
    50: (50, 981, 981), 60: (63, 993, 945), 100: (100, 991, 991), 150: (167, 997, 895),
}  # fmt: skip


@pytest.mark.parametrize("steps", GRIDS)
def test_only_numbers_that_divide_1000_are_the_same_steps_for_both(model, steps):
    sampling = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, "ddim_uniform", steps)
    timesteps = [round(float(sampling.timestep(sigma))) for sigma in sigmas[:-1]]
    stride = 1000 // steps
    leading = [stride * step + 1 for step in reversed(range(steps))]  # what diffusers makes of it, offset 1
    assert (len(timesteps), timesteps[0], leading[0]) == GRIDS[steps]
    assert (timesteps == leading) == (1000 % steps == 0)
    assert f"| {steps} | {len(timesteps)} from {timesteps[0]} | {steps} from {leading[0]} |" in METHOD


METHOD = (host.PACK / "docs" / "method.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", WORKFLOWS, ids=[file.stem for file in WORKFLOWS])
def test_workflows_with_that_grid_have_as_many_steps_as_they_say(file):
    """One that begins later (denoise below 1) takes the last so many steps of a grid, however many that has."""
    inputs = [node["inputs"] for node in json.loads(file.read_text(encoding="utf-8")).values()]
    gridded = [one for one in inputs if one.get("scheduler") == "ddim_uniform" and one.get("denoise", 1) == 1]
    asked = [one["steps"] for one in gridded]
    assert all(isinstance(steps, int) and 1000 % steps == 0 for steps in asked)
