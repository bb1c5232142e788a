"""What a CFLD step costs beside a plain SD 1.5 step of as many rows, in the real host.

All variants of a setting run interleaved in this one process, the order turned every round. Medians of the rounds'
ratios. Runs under the host's own Python. Writes overhead.json and overhead.md.
"""

import argparse
import statistics
from pathlib import Path

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--rounds", type=int, default=5)
ARGUMENTS.add_argument("--small", action="store_true", help="111 M parameters, every level 320 wide, instead of 860 M")
ARGUMENTS.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="of the picture in pixels")
ARGUMENTS.add_argument("--out", type=Path, default=Path("output/benchmarks"))
options = ARGUMENTS.parse_args()

import host_step  # noqa: E402

# isort: split
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from report import against, write_report  # noqa: E402
from timing import interleaved, median_ratio  # noqa: E402

STATED = {2: 1.046, 3: 1.028}  # at full size, in docs/performance.md


class PlainRows(comfy.samplers.CFGGuider):
    """A plain step of three rows: the negative prompt once more, in the same batch."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        positive, negative = self.conds["positive"], self.conds["negative"]
        rows = comfy.samplers.calc_cond_batch(
            self.inner_model, [positive, negative, negative], x, timestep, model_options or {}
        )
        return rows[0] + rows[1] - rows[2]


def variants(model, person: host_step.RandomPerson, rows: int) -> dict:
    """Model, positive, negative and guider of each; at two rows the parts are told apart."""
    plain_guider = comfy.samplers.CFGGuider if rows == 2 else PlainRows
    whole = person.patched(model, pose_guidance=host_step.CFG + rows - 2)
    kinds = {"plain": (model, *person.prompt, plain_guider), "CFLD": (whole, *person.posed, comfy.samplers.CFGGuider)}
    if rows == 2:
        neutral = person.patched(model, strength=0.0)
        kinds["pose alone"] = (neutral, *person.posed, comfy.samplers.CFGGuider)
        kinds["appearance alone"] = (whole, *person.prompt, comfy.samplers.CFGGuider)
    return kinds


def main() -> None:
    multiples = host_step.SMALL if options.small else host_step.FULL_SIZE
    model, person = host_step.base_model(multiples), host_step.RandomPerson(multiples)
    parameters = sum(parameter.numel() for parameter in model.model.parameters())
    table = []
    for size in options.sizes:
        for rows in (2, 3):
            times = interleaved({
                name: lambda kind=kind, size=size: host_step.seconds_a_step(*kind[:3], size, kind[3])
                for name, kind in variants(model, person, rows).items()
            }, options.rounds)
            ratios = {name: median_ratio(seconds, times["plain"]) for name, seconds in times.items()}
            table.append({
                "pixels": size, "rows": rows, "plain, s a step": statistics.median(times["plain"]),
                "pose alone": ratios.get("pose alone"), "appearance alone": ratios.get("appearance alone"),
                "CFLD / plain": ratios["CFLD"],
            } | against(ratios["CFLD"], STATED[rows]))
            notes = f"{parameters / 1e6:.0f} M parameters, float32, medians of {options.rounds} interleaved rounds."
            write_report(options.out / "overhead", "A CFLD step beside a plain step", host_step.COMMAND, table, notes)


if __name__ == "__main__":
    with torch.no_grad():
        main()
