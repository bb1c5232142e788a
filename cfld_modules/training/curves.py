"""Draws the losses of a training run as curves."""

from pathlib import Path

import matplotlib
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)

SMOOTHED = 100  # points of a curve that is smoothed; shorter ones are drawn as they are


def read_scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """{name: [(step, value)]} of the run in folder `run`; of steps made twice, after a break, the later."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {
        name: sorted({event.step: event.value for event in events.Scalars(name)}.items())
        for name in events.Tags()["scalars"]
    }


def draw_curves(run: Path, picture: Path) -> None:
    """All scalars but the learning rate, each with its running mean where it is long, over the steps.

    Raises:
        FileNotFoundError: when the run has no scalars.
    """
    scalars = {name: points for name, points in read_scalars(run).items() if name != "learning_rate"}
    if not scalars:
        raise FileNotFoundError(f"'{run}' has no scalars in tensorboard/; give the output folder of a training run")
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for name, points in scalars.items():
        steps, values = np.array(points).T
        window = max(1, len(values) // SMOOTHED)
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot(steps[window - 1 :], smooth, label=name if window == 1 else f"{name} (mean of {window} steps)")
    axes.set(xlabel="step", yscale="log", title=run.resolve().name)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
