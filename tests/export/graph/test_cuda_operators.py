"""A graph for a GPU has kernels there for all of its operators, or the build says which it has not."""

import numpy as np
import pytest
from export.graph import tiny_causal_models as causal
from export.graph import tiny_encoder_decoder_models as encoder_decoder
from triton_rag_export.errors import BuildError
from triton_rag_export.graph.cache_copy_graph import build_cache_copy_graph
from triton_rag_export.graph.causal_graph import build_causal_graph
from triton_rag_export.graph.cuda_operators import check_cuda_operators, missing_on_cuda
from triton_rag_export.graph.decoder_step_graph import build_decoder_step_graph
from triton_rag_export.graph.onnx_builder import KERNELS, GraphBuilder
from triton_rag_export.graph.source_encoder_graph import build_source_encoder_graph

precisions = pytest.mark.parametrize("precision", ["fp32", "fp16"])


@precisions
@pytest.mark.parametrize("variant", causal.VARIANTS)
def test_no_part_of_a_causal_model_runs_on_the_cpu(variant, precision):
    model = causal.described(causal.VARIANTS[variant]())

    graph = build_causal_graph(model, precision=precision, positions=64, cache=precision, device="cuda")

    assert missing_on_cuda(graph) == []


@precisions
@pytest.mark.parametrize("variant", encoder_decoder.VARIANTS)
def test_no_part_of_an_encoder_decoder_model_runs_on_the_cpu(variant, precision):
    model = encoder_decoder.described(encoder_decoder.VARIANTS[variant]())

    for build in (build_source_encoder_graph, build_decoder_step_graph):
        graph = build(model, precision=precision, cache=precision, device="cuda")
        assert missing_on_cuda(graph) == []


def test_caches_are_copied_on_the_gpu():
    assert missing_on_cuda(build_cache_copy_graph("cache", [2, 1], 16, "fp16")) == []


def test_a_graph_for_a_cpu_could_not_run_on_a_gpu():
    model = causal.described(causal.tiny_llama())

    with pytest.raises(
        BuildError, match=r"no kernel for: triton_rag CachedAttention 1, triton_rag Linear 1;"
    ):
        check_cuda_operators(build_causal_graph(model, precision="fp32", positions=64))


def test_operators_without_a_kernel_are_named_with_their_version():
    graph = GraphBuilder("odd", opset=23, device="cuda")
    rows = graph.input("rows", np.float32, ["rows", 4])
    graph.apply("Det", graph.apply("Relu", rows))
    graph.apply("Linear", rows, domain=KERNELS)

    assert missing_on_cuda(graph) == ["ai.onnx Det 22", "triton_rag Linear 1"]


def test_a_kernel_is_for_a_version_of_its_operator():
    graph = GraphBuilder("newer", opset=25, device="cuda")
    graph.apply("Reshape", graph.input("rows", np.float32, ["rows", 4]), graph.constant([-1], np.int64))

    assert missing_on_cuda(graph) == ["ai.onnx Reshape 25"]
