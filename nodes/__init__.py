"""The nodes: schema, argument checks and one call into the layer below."""

import os

import folder_paths
from comfy_api.latest import ComfyExtension, io

from ..cfld_modules.demo_model import LORA_FILE, UPSCALER_FILE
from ..cfld_modules.errors import PoseError
from .appearance_files import FOLDER as APPEARANCES_FOLDER
from .appearance_files import CFLDLoadAppearance, CFLDSaveAppearance
from .blend_appearance import CFLDBlendAppearance
from .choose_person import CFLDChoosePerson
from .convert import CFLDConvert
from .demo_models import CFLDDemoModels, CFLDDemoPerson
from .detect_pose import DETECT_ROUTE, REFUSALS, CFLDDetectPose, detect_in_file
from .detect_pose import NODE as DETECTOR
from .encoder import CFLDPromptEncoder
from .fit_pose_to_mask import CFLDFitPoseToMask
from .guider import CFLDGuiderNode
from .hga import CFLDApplyHGA
from .host.detectors import WEIGHTS_FOLDER
from .host.routes import answer_posts, answer_posts_one_by_one
from .loader import CFLDLoader
from .pose import CFLDPoseConditioning
from .pose_editor import MOST_BYTES, READ_ROUTE, CFLDPoseEditor, read_in_page
from .pose_files import CFLDDrawPose, CFLDLoadPose, CFLDSavePose
from .pose_mask import CFLDPoseMask
from .retarget_pose import CFLDRetargetPose
from .scene import CFLDSceneGuiderNode, CFLDSceneSaliency
from .turn_pose import CFLDTurnPose
from .warp_person import CFLDWarpPerson

for folder in ("cfld", WEIGHTS_FOLDER, APPEARANCES_FOLDER):
    folder_paths.add_model_folder_path(folder, os.path.join(folder_paths.models_dir, folder))
folder_paths.add_model_folder_path(
    APPEARANCES_FOLDER, os.path.join(folder_paths.get_output_directory(), APPEARANCES_FOLDER), is_default=True
)
folder_paths.add_model_folder_path("loras", str(LORA_FILE.parent))
folder_paths.add_model_folder_path("upscale_models", str(UPSCALER_FILE.parent))


class CFLDExtension(ComfyExtension):
    """All nodes of the pack."""

    async def on_load(self) -> None:
        answer_posts_one_by_one(DETECT_ROUTE, detect_in_file, DETECTOR, REFUSALS)
        answer_posts(READ_ROUTE, read_in_page, "", (PoseError,), MOST_BYTES)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            CFLDLoader, CFLDConvert, CFLDPromptEncoder, CFLDPoseConditioning, CFLDApplyHGA, CFLDGuiderNode,
            CFLDSceneGuiderNode, CFLDSceneSaliency, CFLDLoadPose, CFLDPoseEditor, CFLDDrawPose, CFLDDetectPose,
            CFLDChoosePerson, CFLDRetargetPose, CFLDTurnPose, CFLDSavePose, CFLDBlendAppearance, CFLDSaveAppearance,
            CFLDLoadAppearance, CFLDPoseMask, CFLDFitPoseToMask, CFLDWarpPerson, CFLDDemoModels, CFLDDemoPerson,
        ]
