"""ComfyUI-CFLD: pose-guided person image synthesis as nodes that patch the user's own SD 1.5 MODEL."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """The extension; imported here so that reading this file, as tests and tools do, needs no ComfyUI."""
    from .nodes import CFLDExtension

    return CFLDExtension()
