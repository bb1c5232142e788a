"""The micro configuration of training: a U-Net of width 32 on 8x8 latents."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cfld_modules.settings import parse_settings
from cfld_modules.training.train import TrainSettings

STEPS = 16
MICRO_CFLD = {
    "source": {"image_size": 32, "width": 8, "depths": [1] * 4, "heads": [1, 2, 4, 8], "window": 4, "drop_path": 0.1},
    "appearance": {"inner_widths": [16] * 3, "output_widths": [32] * 3, "depth": 1},
    "decoder": {"queries": 4, "width": 32, "depth": 1, "heads": 4},
    "pose": {"widths": [32] * 3},
}


def configuration(folder, output, training=None, **others):
    """A configuration file's content; `training` and `others` replace what is in it."""
    return {
        "output": str(output),
        "data": {"format": "deepfashion", "root": str(folder / "people")},
        "training": {
            "steps": STEPS, "batch_size": 2, "learning_rate": 2e-3, "warmup_steps": 2, "checkpoint_every": 6,
            "keep_checkpoints": 2, "sheet_every": 0,
        } | (training or {}),
        "model": {
            "unet_widths": [32] * 4, "autoencoder": str(folder / "autoencoder"), "train_unet": "all",
            "gradient_checkpointing": False, "cfld": MICRO_CFLD,
        },
    } | others  # fmt: skip


def parsed(*arguments, **options):
    return parse_settings(configuration(*arguments, **options), TrainSettings)


def losses(output):
    """{step: loss}; of a step made twice the latter."""
    events = EventAccumulator(str(output / "tensorboard")).Reload()
    return {event.step: event.value for event in events.Scalars("loss")}
