"""What tests run a graph that was built for a GPU on: the CPU provider, and a GPU where there is one."""

import pytest
from generation.session import CPU, CUDA, has_cuda

NEEDS_CUDA = pytest.mark.skipif(not has_cuda(), reason="the onnxruntime at hand has no CUDA provider")
PROVIDERS = [CPU, pytest.param(CUDA, marks=[pytest.mark.gpu, NEEDS_CUDA])]
