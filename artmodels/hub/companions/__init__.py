"""What may lie beside a model's weights: one file format each, read as a stranger's."""
