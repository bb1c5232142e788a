"""CFLD Convert: the authors' two files to one file in models/cfld."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io, ui

from ..cfld_modules.checkpoints.cfld_checkpoint import convert_checkpoint
from ..cfld_modules.errors import CheckpointError, short, shortened
from .file_names import LONGEST_NAME, is_file_name
from .loader import DTYPES, checkpoint_choices, checkpoint_dates, checkpoint_path
from .previews import with_progress
from .types import CATEGORY, about_input, check_widgets

NODE = "CFLD Convert"
ENDING = ".safetensors"


class CFLDConvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CFLDConvert",
            display_name=NODE,
            category=CATEGORY,
            description="Makes one file of the authors' two: in models/cfld, with only what CFLD trained, 1 GB, or "
            "half of that in 16 bits, instead of 4.4 GB. Once is enough.",
            search_aliases=["convert checkpoint", "save cfld", "merge bin files", "safetensors"],
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "cfld_name", options=checkpoint_choices(),
                    tooltip="Either of the authors' files, pytorch_model.bin and pytorch_model_1.bin, which lie in one "
                    "folder below models/cfld; or one .safetensors that shall have another precision.",
                ),
                io.Combo.Input(
                    "dtype", options=list(DTYPES), default="fp32",
                    tooltip="Precision of the numbers: fp32, the authors' (1 GB), or fp16 and bf16 (0.5 GB).",
                ),
                io.String.Input(
                    "filename", default="cfld",
                    tooltip="Name of the new file in models/cfld. What is there already is never overwritten.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def validate_inputs(
        cls, cfld_name: str | None = None, dtype: str | None = None, filename: str | None = None,
        input_types: dict | None = None,
    ) -> bool:
        """See `CFLDLoadPose.validate_inputs`."""
        if cfld_name is not None:
            checkpoint_path(NODE, cfld_name)
        if dtype is not None:
            check_widgets(cls, dtype=dtype)
        if filename is not None:
            _new_name(filename)
        return True

    @classmethod
    def fingerprint_inputs(cls, cfld_name: str | None, dtype: str | None, filename: str | None) -> list:
        return checkpoint_dates(NODE, cfld_name)

    @classmethod
    def execute(cls, cfld_name: str, dtype: str, filename: str) -> io.NodeOutput:
        check_widgets(cls, dtype=dtype)
        source, name = checkpoint_path(NODE, cfld_name), _new_name(filename)
        file = Path(folder_paths.get_folder_paths("cfld")[0], name)
        try:
            if file.exists():
                raise FileExistsError
            file.parent.mkdir(parents=True, exist_ok=True)
            with about_input(NODE, "cfld_name", CheckpointError):
                convert_checkpoint(source, file, DTYPES[dtype], with_progress, may_replace=False)
        except FileExistsError as error:
            problem = f"'{name}' is there already, in {file.parent}; give another name, or delete that file first"
            raise ValueError(shortened(f"{NODE}: input 'filename': {problem}")) from error
        except OSError as error:
            raise ValueError(shortened(f"{NODE}: input 'filename': '{name}' cannot be written: {error}")) from error
        size = file.stat().st_size / 1e6
        return io.NodeOutput(ui=ui.PreviewText(f"{file}: {size:.0f} MB. Press R, and choose {name} in CFLD Loader."))


def _new_name(filename: object) -> str:
    """With its ending; a name that is a file on every system, in no folder of its own."""
    if not isinstance(filename, str) or not is_file_name(filename):
        raise ValueError(
            f"{NODE}: input 'filename' is {short(filename)}; give a name of letters, digits, spaces, points, - and _, "
            f"without a folder, at most {LONGEST_NAME} letters long"
        )
    return filename if filename.lower().endswith(ENDING) else filename + ENDING
