"""Which operators of a graph ONNX Runtime's CUDA provider has no kernel for, known without a GPU.

A node without a kernel would run on the CPU, between two copies, and nothing would say so. A kernel is for a
version of its operator: the version in which the graph's operator set last changed it.

Source: docs/OperatorKernels.md of https://github.com/microsoft/onnxruntime. Types are not compared; all that
our graphs use have kernels in FP32 and FP16, and for whole numbers in INT64.
"""

import onnx

from triton_rag_export.errors import BuildError
from triton_rag_export.graph.onnx_builder import GraphBuilder

CUDA_KERNELS: dict[str, tuple[int, ...]] = {
    "Add": (13, 14),
    "Cast": (13, 19, 21, 23),
    "Concat": (13,),
    "Gather": (13,),
    "Gelu": (20,),
    "Gemm": (13,),
    "LayerNormalization": (17,),
    "LessOrEqual": (16,),
    "MatMul": (13,),
    "Max": (13,),
    "Min": (13,),
    "Mul": (13, 14),
    "RMSNormalization": (23,),
    "Relu": (13, 14),
    "Reshape": (13, 14, 19, 21, 23),
    "RotaryEmbedding": (23,),
    "ScatterND": (13, 16, 18),
    "Shape": (13, 15, 19, 21, 23),
    "Sigmoid": (13,),
    "Slice": (13,),
    "Softmax": (13,),
    "Sub": (13, 14),
    "Transpose": (13, 21, 23),
    "Unsqueeze": (13, 21, 23),
    "Where": (16,),
}
"""Versions of the standard operators that our graphs use and that have a kernel."""


def missing_on_cuda(graph: GraphBuilder) -> list[str]:
    """Operators of a graph without a kernel, with domain and version."""
    missing = []
    for domain, name in sorted(graph.operators()):
        version = 1 if domain else onnx.defs.get_schema(name, graph.opset, "").since_version
        if domain or version not in CUDA_KERNELS.get(name, ()):
            missing.append(f"{domain or 'ai.onnx'} {name} {version}")
    return missing


def check_cuda_operators(graph: GraphBuilder) -> None:
    """Refuse a graph of which a part would run on the CPU.

    Raises:
        BuildError: an operator has no kernel.
    """
    if missing := missing_on_cuda(graph):
        raise BuildError(
            f"the graph {graph.name} has operators that ONNX Runtime's CUDA provider has no kernel for: "
            f'{", ".join(missing)}; build with generator.device = "cpu", and please report this model'
        )
