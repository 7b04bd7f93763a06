"""The contenders of `benchmarks/generator.py`, one a file, by the names that the tables show."""

from generator_peers.contender import (
    CONTEXT_TOKENS,
    SLOTS,
    Answer,
    Contender,
    ModelFiles,
    Peer,
    Recorder,
)

__all__ = [
    "CONTENDERS",
    "CONTEXT_TOKENS",
    "ENCODER_DECODERS",
    "ON_CUDA",
    "OURS",
    "REFERENCE",
    "SLOTS",
    "THROUGHPUT",
    "Answer",
    "Contender",
    "ModelFiles",
    "Peer",
    "Recorder",
]

OURS, REFERENCE = "ours int8", "transformers fp32"
THROUGHPUT = "ours int8, for throughput"
"""With longer chunks of prompts and a cache of bytes, as peers have them by default."""

CONTENDERS = {
    OURS: Peer("triton_rag", "int8", 8),
    THROUGHPUT: Peer("triton_rag", "int8-throughput", 8),
    REFERENCE: Peer("torch_transformers", "fp32", 32),
    "llama.cpp Q8_0": Peer("llama_cpp_batch", "q8_0", 8),
    "ctranslate2 int8": Peer("ctranslate2_generator", "int8", 8),
    "onnxruntime-genai int8": Peer("onnxruntime_genai_batch", "int8", 8),
    "onnxruntime-genai int4": Peer("onnxruntime_genai_batch", "int4", 4),
    "openvino genai int8": Peer("openvino_genai_batching", "int8", 8),
}

ENCODER_DECODERS = {
    OURS: CONTENDERS[OURS],
    REFERENCE: Peer("torch_encoder_decoder", "fp32", 32),
    "ctranslate2 int8": Peer("ctranslate2_translator", "int8", 8),
}

ON_CUDA = {"ours fp16 on CUDA": Peer("triton_rag", "fp16 cuda", 16)}
"""Takes part with `--device cuda`."""
