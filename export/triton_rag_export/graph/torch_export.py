"""Encoders that the hand-built graph does not cover: torch's own ONNX exporter, in FP32.

The graph takes one text a call, without padding or mask: slower than packed rows, but a text's vector cannot
depend on its neighbours here either.
"""

import warnings
from pathlib import Path
from typing import Any

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.encoder_settings import TextSettings
from triton_rag_export.graph.linear import LinearWeights
from triton_rag_export.graph.model_source import ModelSource
from triton_rag_export.graph.projection import torch_linear

_EXAMPLE_TOKENS = 7


def export_with_torch(
    source: ModelSource, model: Any, text: TextSettings, projection: LinearWeights | None, path: Path
) -> None:
    """Write the model with pooling, projection and normalization.

    Input: `ids` `(1, tokens)` int32. Output: `vectors` `(1, width)`.

    Args:
        source: where the model is from.
        model: what `AutoModel` loaded, in float32.
        text: pooling and normalization.
        projection: behind pooling, or None.
        path: the file to write.

    Raises:
        UnsupportedModelError: torch cannot export this model.
    """
    import torch

    example = torch.ones((1, _EXAMPLE_TOKENS), dtype=torch.int32)
    tokens = torch.export.Dim("tokens", min=2, max=text.max_tokens)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            torch.onnx.export(
                _pooled(model, text, projection).eval(),
                (example,),
                path,
                input_names=["ids"],
                output_names=["vectors"],
                dynamic_shapes=({1: tokens},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter fails in as many ways as there are models
        family = model.config.model_type
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UnsupportedModelError(
            f"model {source.name!r}: the hand-built graph does not cover it, and torch cannot export its "
            f"family {family!r} ({type(error).__name__}: {reason}); choose a BERT-like encoder"
        ) from error


def _pooled(model: Any, text: TextSettings, projection: LinearWeights | None) -> Any:
    import torch  # when it is needed only

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.projected = None if projection is None else torch_linear(projection)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            wide = ids.long()
            states = self.model(input_ids=wide, attention_mask=torch.ones_like(wide)).last_hidden_state
            vectors = states.mean(dim=1) if text.pooling == "mean" else states[:, 0]
            if self.projected is not None:
                vectors = self.projected(vectors)
            return torch.nn.functional.normalize(vectors, dim=-1) if text.normalize else vectors

    return Pooled()
