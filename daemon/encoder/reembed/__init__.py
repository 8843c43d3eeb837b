"""A changed model's vectors, made beside the encoder that goes on answering with the old ones."""
