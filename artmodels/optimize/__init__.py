"""Gradient descent on pictures and latents."""
