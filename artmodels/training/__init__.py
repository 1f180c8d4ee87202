"""Runs: from a config to checkpoints, figures and a published model."""
