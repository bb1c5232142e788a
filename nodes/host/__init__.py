"""Everything that touches ComfyUI's patcher, conditioning and sampler: the one place to look when a host changes."""
