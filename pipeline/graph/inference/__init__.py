"""Inference: types, shapes and small contents of every tensor, whatever the sizes of the inputs."""
