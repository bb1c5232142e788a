"""CFLD (Coarse-to-Fine Latent Diffusion, CVPR 2024, arXiv 2402.18078) in torch, importable without ComfyUI."""
