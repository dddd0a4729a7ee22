"""ONNX export, int8 quantisation, and running the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch import nn

from encoder import POSITIONS

OPSET = 14  # the newest in which layer norm is still made of plain operators
MAX_TOKENS = POSITIONS
# The widest value of a text's activations that nine texts of ten stay within; the rest is cut off.
RANGE_PERCENTILE = 90
# Seven bits: CPUs without int8 dot-product instructions add pairs of products in 16 bits, and
# eight-bit weights overflow there.
WEIGHT_LIMIT = 63
WORD_LIMIT = 127
# Over so many messages the shift that rounding leaves in each product is measured.
SHIFT_MESSAGES = 300
# Products with these in their name stay in float32: small, and the last word on a message.
EXACT = "/wishes/"


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


class Weights:
    """The constant tensors of a graph by name."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def array(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.tensors[name])

    def add(self, name: str, array: np.ndarray) -> str:
        self.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def drop_unused(self) -> None:
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def products(model: ModelProto) -> list[NodeProto]:
    """Multiplications by weights that are worth quantising."""
    weights = Weights(model)
    return [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in weights and EXACT not in node.name
    ]


def activation_ranges(source: Path, tokenizer: Tokenizer, texts: list[str]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of what goes into each product, over real messages."""
    model = onnx.load(source)
    names = sorted({node.input[0] for node in products(model)})
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    extremes = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        seen = session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        extremes.append([(values.min(), values.max()) for values in seen])
    table = np.array(extremes)
    low = np.minimum(np.percentile(table[:, :, 0], 100 - RANGE_PERCENTILE, axis=0), 0.0)
    high = np.maximum(np.percentile(table[:, :, 1], RANGE_PERCENTILE, axis=0), 0.0)
    return {name: (float(low[at]), float(high[at])) for at, name in enumerate(names)}


def quantise(source: Path, target: Path, ranges: dict[str, tuple[float, float]]) -> None:
    """Int8 products and word table. The ranges of activations are fixed, so that a text's result does not depend on
    the texts it is batched with; what a text exceeds them by is cut off."""
    model = onnx.load(source)
    weights = Weights(model)
    chosen = {node.name for node in products(model)}
    nodes: list[NodeProto] = []
    narrowed: set[str] = set()
    for node in model.graph.node:
        if node.name in chosen:
            left = node.input[0]
            if left not in narrowed:
                nodes += narrow(weights, left, ranges[left])
                narrowed.add(left)
            nodes += product(weights, node)
        elif node.op_type == "Gather" and node.input[0] in weights and weights.array(node.input[0]).ndim == 2:
            nodes += table(weights, node)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    weights.drop_unused()
    onnx.checker.check_model(model)
    onnx.save(model, target)


def narrow(weights: Weights, name: str, extent: tuple[float, float]) -> Iterator[NodeProto]:
    """An activation to eight bits and back; runtimes drop the way back and multiply integers."""
    low, high = extent
    scale = (high - low) / 255.0
    step = weights.add(f"{name}_step", np.float32(scale))
    zero = weights.add(f"{name}_zero", np.uint8(round(-low / scale)))
    yield helper.make_node("QuantizeLinear", [name, step, zero], [f"{name}_narrow"])
    yield helper.make_node("DequantizeLinear", [f"{name}_narrow", step, zero], [f"{name}_again"])


def product(weights: Weights, node: NodeProto) -> Iterator[NodeProto]:
    """A product by weights that are int8 with a scale for each column."""
    name = node.input[1]
    matrix = weights.array(name)
    scale = np.abs(matrix).max(axis=0) / WEIGHT_LIMIT
    whole = np.clip(np.round(matrix / scale), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    parts = [
        weights.add(f"{name}_whole", whole),
        weights.add(f"{name}_step", scale.astype(np.float32)),
        weights.add(f"{name}_zero", np.zeros(len(scale), np.int8)),
    ]
    yield helper.make_node("DequantizeLinear", parts, [f"{name}_wide"], axis=1)
    yield helper.make_node("MatMul", [f"{node.input[0]}_again", f"{name}_wide"], node.output, name=node.name)


def table(weights: Weights, node: NodeProto) -> Iterator[NodeProto]:
    """Rows of a word table that is int8 with a scale for each row; only the rows a text needs are widened."""
    name, ids = node.input
    rows = weights.array(name)
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-8) / WORD_LIMIT
    whole = weights.add(f"{name}_whole", np.round(rows / scale).astype(np.int8))
    steps = weights.add(f"{name}_step", scale.astype(np.float32))
    out = node.output[0]
    yield helper.make_node("Gather", [whole, ids], [f"{out}_whole"])
    yield helper.make_node("Cast", [f"{out}_whole"], [f"{out}_wide"], to=onnx.TensorProto.FLOAT)
    yield helper.make_node("Gather", [steps, ids], [f"{out}_step"])
    yield helper.make_node("Mul", [f"{out}_wide", f"{out}_step"], [out])


def mean_products(model: ModelProto, names: list[str], tokens: list[list[int]]) -> dict[str, np.ndarray]:
    """What each product is on average, column by column, over the tokens of texts."""
    watched = ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = {name: np.float64(0) for name in names}
    for text in tokens:
        ids = np.array([text], dtype=np.int64)
        seen = session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for name, values in zip(names, seen):
            sums[name] = sums[name] + values.reshape(-1, values.shape[-1]).sum(axis=0)
    count = sum(len(text) for text in tokens)
    return {name: total / count for name, total in sums.items()}


def correct_biases(source: Path, target: Path, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Takes the shift that rounding leaves in each product out of the bias that is added to it (Nagel et al. 2019, "Data-free
    quantization through weight equalization and bias correction"), from the first product to the last, because each
    correction moves what comes after it."""
    exact, rounded = onnx.load(source), onnx.load(target)
    tokens = [tokenizer.encode(text).ids for text in texts]
    names = [node.output[0] for node in products(exact)]
    wanted = mean_products(exact, names, tokens)
    weights = Weights(rounded)
    for name in names:
        added = [node.input for node in rounded.graph.node if node.op_type == "Add" and name in node.input]
        biases = [put for inputs in added for put in inputs if put in weights]
        if len(biases) != 1:
            continue
        shift = mean_products(rounded, [name], tokens)[name] - wanted[name]
        corrected = (weights.array(biases[0]) - shift).astype(np.float32)
        weights.tensors[biases[0]].CopyFrom(numpy_helper.from_array(corrected, biases[0]))
    onnx.save(rounded, target)


def build(model: nn.Module, folder: Path, tokenizer: Tokenizer, texts: list[str], outputs: list[str]) -> Path:
    """Export and quantise; the fp32 graph stays beside it as `plain.onnx`."""
    folder.mkdir(parents=True, exist_ok=True)
    plain, target = folder / "plain.onnx", folder / "understanding.onnx"
    export(model, plain, outputs)
    quantise(plain, target, activation_ranges(plain, tokenizer, texts))
    correct_biases(plain, target, tokenizer, texts[:: max(1, len(texts) // SHIFT_MESSAGES)])
    return target


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer as it ships: cut at MAX_TOKENS, no padding."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


class Runner:
    """Runs a graph one text at a time, as a conversation does."""

    def __init__(self, graph: Path, tokenizer: Tokenizer, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self.tokenizer = tokenizer
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, text: str) -> dict[str, np.ndarray]:
        """Each output's row for one text."""
        ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
        rows = self.session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return {name: row[0] for name, row in zip(self.outputs, rows)}

    def rows(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Each output as [texts, width]."""
        rows = [self.run(text) for text in texts]
        return {name: np.stack([row[name] for row in rows]) for name in self.outputs}
