"""`make demo`: a transfer from a bundled picture and pose, with nothing downloaded.

Until a trained demo model is bundled the networks are tiny and random. The result is noise; it shows that the whole
path runs, and it says so on the picture.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from PIL import Image

from .base_model import sd15_unet_config
from .config import AppearanceConfig, CFLDConfig, DecoderConfig, PoseAdapterConfig, SourceEncoderConfig
from .keypoints import parse_pose_json
from .model import CFLD
from .pipeline import CFLDPipeline, published_scheduler
from .pose_maps import draw_pose
from .unet_patch import patch_unet

PACK = Path(__file__).parent.parent
WIDTH, HEIGHT, CAPTION = 352, 512, 40
WARNING = "RANDOM WEIGHTS: not a trained model"
TINY = CFLDConfig(
    source=SourceEncoderConfig(image_size=128, width=32, depths=(2, 2, 2, 2), heads=(2, 4, 8, 16), window=8),
    appearance=AppearanceConfig(inner_widths=(16, 32, 64), output_widths=(64, 128, 256), depth=1),
    decoder=DecoderConfig(width=64, depth=2, heads=4),
    pose=PoseAdapterConfig(widths=(64, 128, 256)),
)


def random_pipeline(seed: int = 0) -> CFLDPipeline:
    """The whole method at a tiny size, its weights drawn at random."""
    torch.manual_seed(seed)
    unet = patch_unet(UNet2DConditionModel(**sd15_unet_config((64, 128, 256, 256), TINY.decoder.width)), {})
    vae = AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4)
    pipeline = CFLDPipeline(unet.eval(), vae.eval(), published_scheduler("ddim"), CFLD(TINY).eval())
    pipeline.set_progress_bar_config(desc="demo (random weights)")
    return pipeline


def make_demo(out: Path, steps: int = 20) -> None:
    """Write a sheet of source, target pose and result to `out`."""
    source = Image.open(PACK / "docs" / "source_person.png").convert("RGB")
    pose = parse_pose_json((PACK / "web" / "poses" / "walking_front.json").read_text())[0]
    generator = torch.Generator().manual_seed(3407)
    result = random_pipeline()([source], [pose], steps=steps, generator=generator, width=WIDTH, height=HEIGHT)[0]
    columns = {
        "source": np.array(source.resize((WIDTH, HEIGHT))),
        "target pose": draw_pose(pose, WIDTH, HEIGHT),
        WARNING: np.array(result),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([_captioned(*column) for column in columns.items()], axis=1)).save(out)


def _captioned(caption: str, picture: np.ndarray) -> np.ndarray:
    bar = np.full((CAPTION, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, caption, (8, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([bar, picture])
