"""ONNX export, int8 quantisation, and running the result."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import nn

OPSET = 14  # the newest in which layer norm is still made of plain operators
MAX_TOKENS = 128


def export(model: nn.Module, path: Path, outputs: list[str]) -> None:
    """Write an fp32 graph whose batch and sequence axes are free."""
    ids = torch.ones(2, 7, dtype=torch.int64)
    axes = {"input_ids": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "seq"}}
    axes |= {name: {0: "batch"} for name in outputs}
    torch.onnx.export(
        model.eval(),
        (ids, torch.ones_like(ids)),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        do_constant_folding=True,
        dynamo=False,
    )


def quantise(source: Path, target: Path) -> None:
    """Dynamic int8 for the encoder's weight products and the word table; heads stay fp32.

    Weights use seven bits: CPUs without int8 dot-product instructions add pairs of products
    in 16 bits, and eight-bit weights overflow there.
    """
    gemms = [node.name for node in onnx.load(source).graph.node if node.op_type == "Gemm"]
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        # The quantiser rewrites Gemm to MatMul and renames it before it looks at this list.
        nodes_to_exclude=gemms + [f"{name}_MatMul" for name in gemms],
    )
    onnx.checker.check_model(str(target))


def build(model: nn.Module, target: Path, outputs: list[str]) -> None:
    """Export and quantise in one step."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        export(model, plain, outputs)
        quantise(plain, target)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer as it ships: cut at MAX_TOKENS, no padding."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


class Runner:
    """Runs a graph one text at a time, which on small CPUs is as fast as batches."""

    def __init__(self, graph: Path, tokenizer: Tokenizer, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self.tokenizer = tokenizer

    def run(self, text: str) -> list[np.ndarray]:
        ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
        return self.session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})

    def rows(self, texts: list[str], output: int = 0) -> np.ndarray:
        return np.concatenate([self.run(text)[output] for text in texts])
