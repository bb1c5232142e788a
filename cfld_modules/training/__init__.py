"""Training CFLD and the small autoencoder of the demo, on Hugging Face accelerate."""
