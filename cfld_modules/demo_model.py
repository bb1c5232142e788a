"""Where the demo model lies: a small CFLD with its own U-Net and autoencoder, in the folder `demo_model`."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "demo_model"
CFLD_FILE, BASE_FOLDER = FOLDER / "cfld.safetensors", FOLDER / "base"
LORA_FILE = FOLDER / "loras" / "cfld_demo_few_steps.safetensors"
"""With which the demo model needs two steps of one row; made by `configs/demo/3_lora.yaml`."""
UPSCALER_FILE = FOLDER / "upscale_models" / "cfld_demo_x2.safetensors"
"""That draws its results twice as large; made by `configs/demo/4_upscaler.yaml`."""
WIDTH, HEIGHT = 176, 256  # the frame's aspect at the size it was trained
