"""The nodes: schema, argument checks and one call into the layer below."""

import os

import folder_paths
from comfy_api.latest import ComfyExtension, io

from .choose_person import CFLDChoosePerson
from .demo_models import CFLDDemoModels, CFLDDemoPerson
from .detect_pose import WEIGHTS_FOLDER, CFLDDetectPose
from .encoder import CFLDPromptEncoder
from .guider import CFLDGuiderNode
from .hga import CFLDApplyHGA
from .loader import CFLDLoader
from .pose import CFLDPoseConditioning
from .pose_editor import CFLDPoseEditor
from .pose_files import CFLDDrawPose, CFLDLoadPose, CFLDSavePose
from .retarget_pose import CFLDRetargetPose
from .turn_pose import CFLDTurnPose

for folder in ("cfld", WEIGHTS_FOLDER):
    folder_paths.add_model_folder_path(folder, os.path.join(folder_paths.models_dir, folder))


class CFLDExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            CFLDLoader, CFLDPromptEncoder, CFLDPoseConditioning, CFLDApplyHGA, CFLDGuiderNode, CFLDLoadPose,
            CFLDPoseEditor, CFLDDrawPose, CFLDDetectPose, CFLDChoosePerson, CFLDRetargetPose, CFLDTurnPose,
            CFLDSavePose, CFLDDemoModels, CFLDDemoPerson,
        ]
