"""Save Appearance and Load Appearance: encoded people, kept for many graphs.

They lie in the models folder `cfld_appearances`, which has two places: models/, for those that are shared between
machines or named in extra_model_paths.yaml, and output/, where an output node may write, and where a client of a server
gets at files and puts them (/view, /upload/image). So what was saved can be loaded as it lies, as for core's own
CheckpointSave and LoraSave.
"""

from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io

from ..cfld_modules.checkpoints.appearance_file import load_appearance, save_appearance
from ..cfld_modules.checkpoints.atomic_files import write_numbered
from ..cfld_modules.errors import CheckpointError, short, shortened
from ..cfld_modules.networks.model import Appearance
from .file_names import check_prefix, prefix_mistake, written_by
from .host.conditioning import prompt_conditioning
from .host.networks import LoadedCFLD, networks_of
from .pictures import picture_array, read_pictures
from .previews import preview
from .types import PEOPLE, AppearanceType, about_input, cfld_input

SAVE, LOAD = "Save Appearance", "Load Appearance"
FOLDER = "cfld_appearances"
NO_FILE = "keep a person with Save Appearance first"
"""What the list of files says while there is none; it is no file, and running it says so."""


class CFLDSaveAppearance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDSaveAppearance",
            display_name=SAVE,
            category=PEOPLE,
            description="Keeps an encoded person as a small file: in output/cfld_appearances, where Load Appearance "
            "finds it, a wardrobe of people for many graphs, without their photos.",
            search_aliases=["save person", "save embeds", "export appearance", "wardrobe", "save character"],
            is_output_node=True,
            inputs=[
                cfld_input(),
                AppearanceType.Input("appearance", tooltip="One person or a batch, encoded or blended."),
                io.String.Input(
                    "filename_prefix", default="person",
                    tooltip="Name of the file below output/cfld_appearances; a number is added. May name a subfolder.",
                ),
                io.Image.Input(
                    "image", optional=True,
                    tooltip="The source photo: a thumbnail of it goes into the file. The file needs none to be loaded.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None) -> bool | str:
        return filename_prefix is None or prefix_mistake(SAVE, filename_prefix) or True  # None: it is connected

    @classmethod
    def execute(
        cls, cfld: LoadedCFLD, appearance: Appearance, filename_prefix: str, image: torch.Tensor | None = None
    ) -> io.NodeOutput:
        check_prefix(SAVE, filename_prefix)
        pictures = [] if image is None else [picture_array(picture) for picture in read_pictures(SAVE, "image", image)]
        root = Path(folder_paths.get_output_directory(), FOLDER)
        with (
            about_input(SAVE, "appearance", CheckpointError), written_by(SAVE, "filename_prefix", filename_prefix)
        ):
            folder, name, _, subfolder, _ = folder_paths.get_save_image_path(filename_prefix, str(root))
            file = write_numbered(
                Path(folder, name), "_.safetensors",
                lambda stream: save_appearance(stream, networks_of(cfld.networks), appearance, pictures),
            )
        saved_image = {"filename": file.name, "subfolder": str(Path(FOLDER, subfolder)), "type": "output"}
        name = file.relative_to(root).as_posix()
        return io.NodeOutput(ui=preview(pictures) | {"appearances": [saved_image], "text": [name]})


class CFLDLoadAppearance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDLoadAppearance",
            display_name=LOAD,
            category=PEOPLE,
            description="Loads a person that Save Appearance kept: in the place of PRD Prompt Encoder, so no photo is "
            "needed and no encoder runs.",
            search_aliases=["load person", "load embeds", "import appearance", "wardrobe", "load character"],
            inputs=[
                cfld_input(),
                io.Combo.Input(
                    "appearance_name", options=appearance_names() or [NO_FILE],
                    tooltip="A file in output/cfld_appearances or models/cfld_appearances. It must have been made with "
                    "the same CFLD checkpoint.",
                ),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="The coarse-grained prompt of the person."),
                io.Conditioning.Output("negative", tooltip="CFLD's learnt unconditional prompt."),
                AppearanceType.Output("appearance", tooltip="The person's appearance, for HGA Apply."),
            ],
        )

    @classmethod
    def validate_inputs(cls, appearance_name: str | None = None, input_types: dict | None = None) -> bool:
        """See `CFLDLoadPose.validate_inputs`."""
        if appearance_name is not None:
            appearance_path(appearance_name)
        return True

    @classmethod
    def fingerprint_inputs(cls, cfld: None, appearance_name: str | None) -> list:
        paths = [appearance_path(one) for one in ([appearance_name] if appearance_name else appearance_names())]
        return [(str(path), path.stat().st_mtime) for path in paths]

    @classmethod
    def execute(cls, cfld: LoadedCFLD, appearance_name: str) -> io.NodeOutput:
        with about_input(LOAD, "appearance_name", CheckpointError):
            appearance, unconditional = load_appearance(appearance_path(appearance_name), networks_of(cfld.networks))
        return io.NodeOutput(*prompt_conditioning(appearance.prompt, unconditional), appearance)


def appearance_names() -> list[str]:
    """Files of either place, by their ending alone."""
    return [name for name in folder_paths.get_filename_list(FOLDER) if name.lower().endswith(".safetensors")]


def appearance_path(name: object) -> Path:
    """The file of this name in `appearance_names`; raises ValueError with the remedy where there is none."""
    path = folder_paths.get_full_path(FOLDER, name) if isinstance(name, str) and name in appearance_names() else None
    if path is None:
        raise ValueError(shortened(
            f"{LOAD}: input 'appearance_name': '{name if isinstance(name, str) else short(name)}' is in neither "
            f"output/{FOLDER} nor models/{FOLDER}; save a person with {SAVE} or put the file there, and reload the page"
        ))
    return Path(path)
