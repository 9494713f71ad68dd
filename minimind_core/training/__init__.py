"""Teaching a model: documents, packing, batches, optimizers, the trainer, and the recipes of what we ship."""
