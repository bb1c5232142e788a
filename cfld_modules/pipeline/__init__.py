"""CFLD on diffusers: the pipeline, its base model, and the pictures that go in and come out."""
