"""Rewrites a GGUF file in another precision: what llama.cpp and OpenVINO GenAI read.

The metadata and the order of the tensors stay; matrices change their type, vectors stay FP32. No converter is
needed, since the weights come as GGUF.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

# The writer sets these itself.
WRITTEN_ANYWAY = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture"}
FILE_TYPES = {GGMLQuantizationType.F16: 1, GGMLQuantizationType.Q8_0: 7}


def rewrite_gguf(source: Path, target: Path, matrices: GGMLQuantizationType) -> None:
    """Write the model in `source` with its matrices in another type.

    Args:
        source: a GGUF file of any precision.
        target: the file to write.
        matrices: F16 or Q8_0.
    """
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name == "general.file_type":
            writer.add_file_type(FILE_TYPES[matrices])
        elif name not in WRITTEN_ANYWAY:
            element = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], element)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        kind = matrices if values.ndim > 1 else GGMLQuantizationType.F32
        data = values.astype(np.float32) if values.ndim == 1 else quantize(values, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
