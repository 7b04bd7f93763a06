"""The RAG server that one writes in an afternoon: FastAPI, sentence-transformers, transformers `generate`.

`triton-rag loadtest REPOSITORY --against naive` measures a built repository against it. It answers from the
same passages with the same models and the same prompt, in FP32 on torch's default threads: vectors of all
passages in memory, the best by their dot product, greedy `generate`, one request a thread of FastAPI's pool.
What is not here is what such servers have not: batches over requests, reuse of what was read, INT8.

POST /ask  {"question": …, "max_tokens": …}; GET /ready answers when it can be asked.

Usage: python benchmarks/naive_server.py build/python-docs --port 8080
Needs: pip install -e '.[export,serve,cpu,benchmark]'
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton_rag_export  # noqa: F401  (makes the served packages importable)
import uvicorn
from fastapi import FastAPI
from passage_search import PassageStore, StoredPassage
from pydantic import BaseModel, Field
from sentence_transformers import SentenceTransformer
from triton_rag_export.evaluate.pipeline import version_folder
from triton_rag_export.graph.model_source import load_causal_model, load_tokenizer, resolve_model
from triton_rag_export.index.build import indexed_text
from triton_rag_server import cache_folder


class Question(BaseModel):
    """What is asked."""

    question: str = Field(min_length=1)
    max_tokens: int = Field(default=128, ge=1, le=512)


class NaiveRag:
    """Finds passages and writes answers.

    Args:
        recipe: That of the repository: models, prompt, how many passages.
        passages: All of them.
        vectors: Theirs, (passages, dimension) with length 1; embedded here when left out.
    """

    def __init__(
        self, recipe: dict[str, Any], passages: Sequence[StoredPassage], vectors: torch.Tensor | None = None
    ) -> None:
        self._passages = passages
        self._passages_k: int = recipe["retrieval"]["passages_k"]
        self._prompt: dict[str, str] = recipe["generator"]
        self._encoder = SentenceTransformer(
            str(resolve_model(recipe["encoder"]["model"]).folder), device="cpu"
        )
        source = resolve_model(self._prompt["model"])
        self._tokenizer = load_tokenizer(source)
        self._generator = load_causal_model(source)
        self.vectors = (
            self._embed([indexed_text(passage) for passage in passages]) if vectors is None else vectors
        )

    def answer(self, question: str, max_tokens: int) -> dict[str, Any]:
        """The answer to a question, as the JSON of the reply."""
        scores, rows = torch.topk(
            self.vectors @ self._embed([question])[0], min(self._passages_k, len(self._passages))
        )
        found = [self._passages[row] for row in rows.tolist()]
        prompt = self.token_ids(self.chat(question, found))
        prompt_tokens = prompt["input_ids"].shape[1]
        with torch.inference_mode():
            output = self._generator.generate(
                **prompt,
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.eos_token_id,
            )
        answer = output[0, prompt_tokens:]
        is_ended = answer[-1].item() == self._tokenizer.eos_token_id
        return {
            "answer": self._tokenizer.decode(answer, skip_special_tokens=True),
            "passages": [
                {
                    "id": passage.id,
                    "title": passage.title,
                    "source": passage.source,
                    "text": passage.text,
                    "score": score,
                }
                for passage, score in zip(found, scores.tolist(), strict=True)
            ],
            "prompt_tokens": prompt_tokens,
            "answer_tokens": len(answer) - is_ended,
            "finish_reason": "stop" if is_ended else "length",
        }

    def token_ids(self, prompt: str) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`, (1, tokens) each."""
        return dict(self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False))

    def _embed(self, texts: Sequence[str]) -> torch.Tensor:
        return self._encoder.encode(
            list(texts), normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=len(texts) > 1
        )

    def chat(self, question: str, passages: Sequence[StoredPassage]) -> str:
        """The prompt: the repository's words around the passages and the question."""
        content = self._prompt["instruction"].replace("{question}", question.strip())
        blocks = "\n\n".join(_numbered(number, passage) for number, passage in enumerate(passages, start=1))
        messages = [
            {"role": "system", "content": self._prompt["system"]},
            {"role": "user", "content": content.replace("{passages}", blocks)},
        ]
        chat: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return chat


def _numbered(number: int, passage: StoredPassage) -> str:
    title = " ".join(passage.title.split())
    return f"[{number}] {title}\n{passage.text.strip()}" if title else f"[{number}] {passage.text.strip()}"


def load(repository: Path, vectors_folder: Path) -> NaiveRag:
    """The models and passages of a repository; a folder keeps the passages' vectors for the next start."""
    manifest = json.loads((repository / "manifest.json").read_text(encoding="utf-8"))
    store = PassageStore.load(version_folder(repository, "passage_search"))
    passages = [store[row] for row in range(len(store))]
    of_what = (manifest["corpus"]["passages_sha256"], manifest["models"]["encoder"]["fingerprint"])
    file = vectors_folder / f"{'-'.join(digest[:32] for digest in of_what)}.npy"
    vectors = torch.from_numpy(np.load(file)) if file.is_file() else None
    rag = NaiveRag(manifest["recipe"], passages, vectors)
    if vectors is None:
        vectors_folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, rag.vectors.numpy())
        unfinished.rename(file)
    return rag


def application(rag: NaiveRag) -> FastAPI:
    """The server."""
    app = FastAPI()

    @app.post("/ask")
    def ask(asked: Question) -> dict[str, Any]:
        """Answer a question; a plain function, which FastAPI runs in its thread pool."""
        return rag.answer(asked.question, asked.max_tokens)

    @app.get("/ready")
    def ready() -> dict[str, bool]:
        """That it can be asked."""
        return {"ready": True}

    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--vectors", type=Path, default=cache_folder() / "naive", help="folder for vectors")
    options = parser.parse_args()
    rag = load(options.repository, options.vectors)
    uvicorn.run(application(rag), host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
