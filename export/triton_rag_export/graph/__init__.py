"""From torch weights to ONNX graphs: built node by node, quantized, checked against where they come from."""

__all__: list[str] = []
