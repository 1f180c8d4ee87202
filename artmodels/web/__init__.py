"""A studio that needs no server: a model as ONNX, and a static Space that paints with it in the visitor's browser."""
