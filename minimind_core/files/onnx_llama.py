"""A Llama as an ONNX graph, built from an exported folder alone: a second, independent implementation.

What exports are tested with, and a peer of `native_benchmark.py`. Reads config.json and model.safetensors
with NumPy; shares no code with the rest and needs no torch. Plain RoPE only.

Shapes: B rows, T tokens (fixed in the graph), K key/value heads, G query heads for each, D head size, C
hidden size.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession, SessionOptions
from safetensors.numpy import load_file


class GraphBuilder:
    """Collects nodes and constants; every method returns the name of its result."""

    def __init__(self, folder: Path, length: int) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "model.safetensors")
        self.length = length
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def reshape(self, x: str, *shape: int) -> str:
        return self.op("Reshape", x, self.constant(np.array(shape, np.int64)))

    def linear(self, x: str, name: str) -> str:
        return self.op("MatMul", x, self.constant(np.ascontiguousarray(self.weights[name].T)))

    def norm(self, x: str, name: str) -> str:
        last_axis = self.constant(np.array([-1], np.int64))
        mean = self.op("ReduceMean", self.op("Mul", x, x), last_axis, keepdims=1)
        root = self.op("Sqrt", self.op("Add", mean, self.number(self.config["rms_norm_eps"])))
        return self.op("Mul", self.op("Div", x, root), self.constant(self.weights[name]))

    def heads(self, x: str, count: int, groups: int, norm_name: str) -> str:
        """[B, T, count * groups * D] -> [B, count, groups, T, D], normed where the model does."""
        split = self.reshape(x, -1, self.length, count, groups, self.config["head_dim"])
        if norm_name in self.weights:
            split = self.norm(split, norm_name)
        return self.op("Transpose", split, perm=[0, 2, 3, 1, 4])

    def rotate(self, x: str) -> str:
        """Rotate the pairs (i, i + D/2) of x [.., T, D] by position * theta^(-2i/D)."""
        size = self.config["head_dim"]
        frequencies = self.config["rope_theta"] ** (-np.arange(0, size, 2) / size)
        angles = np.outer(np.arange(self.length), frequencies)  # [T, D/2]
        cos, sin = (self.constant(table(angles).astype(np.float32)) for table in (np.cos, np.sin))
        first, second = self.half(x, 0), self.half(x, 1)
        turned = [
            self.op("Sub", self.op("Mul", first, cos), self.op("Mul", second, sin)),
            self.op("Add", self.op("Mul", second, cos), self.op("Mul", first, sin)),
        ]
        return self.op("Concat", *turned, axis=-1)

    def half(self, x: str, which: int) -> str:
        size = self.config["head_dim"] // 2
        bounds = [np.array([edge], np.int64) for edge in (which * size, (which + 1) * size, -1)]
        return self.op("Slice", x, *(self.constant(bound) for bound in bounds))

    def attention(self, x: str, prefix: str) -> str:
        kv_heads, size = self.config["num_key_value_heads"], self.config["head_dim"]
        groups = self.config["num_attention_heads"] // kv_heads
        query, key, value = (
            self.heads(
                self.linear(x, f"{prefix}{part}_proj.weight"),
                kv_heads,
                groups if part == "q" else 1,
                f"{prefix}{part}_norm.weight",
            )
            for part in "qkv"
        )
        keys = self.op("Transpose", self.rotate(key), perm=[0, 1, 2, 4, 3])  # [B, K, 1, D, T]
        scores = self.op("Div", self.op("MatMul", self.rotate(query), keys), self.number(size**0.5))
        future = np.triu(np.full((self.length, self.length), -1e30, np.float32), 1)
        shares = self.op("Softmax", self.op("Add", scores, self.constant(future)), axis=-1)  # [B, K, G, T, T]
        mixed = self.op("Transpose", self.op("MatMul", shares, value), perm=[0, 3, 1, 2, 4])
        flat = self.reshape(mixed, -1, self.length, kv_heads * groups * size)
        return self.linear(flat, f"{prefix}o_proj.weight")

    def feed_forward(self, x: str, prefix: str) -> str:
        gate = self.linear(x, f"{prefix}gate_proj.weight")
        swish = self.op("Mul", gate, self.op("Sigmoid", gate))
        inner = self.op("Mul", swish, self.linear(x, f"{prefix}up_proj.weight"))
        return self.linear(inner, f"{prefix}down_proj.weight")

    def logits(self) -> str:
        embedding = "model.embed_tokens.weight"
        x = self.op("Gather", self.constant(self.weights[embedding]), "ids")  # [B, T, C]
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            normed = self.norm(x, f"{prefix}input_layernorm.weight")
            x = self.op("Add", x, self.attention(normed, f"{prefix}self_attn."))
            normed = self.norm(x, f"{prefix}post_attention_layernorm.weight")
            x = self.op("Add", x, self.feed_forward(normed, f"{prefix}mlp."))
        head = embedding if self.config["tie_word_embeddings"] else "lm_head.weight"
        return self.linear(self.norm(x, "model.norm.weight"), head)


def session(folder: Path, length: int, threads: int = 1) -> InferenceSession:
    """The exported model in `folder` in ONNX Runtime: ids int64 [B, length] -> logits [B, length, V]."""
    builder = GraphBuilder(folder, length)
    result = builder.logits()
    graph = helper.make_graph(
        builder.nodes,
        "llama",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [None, length])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in builder.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = SessionOptions()
    options.intra_op_num_threads = threads
    return InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def logits(folder: Path, ids: Sequence[Sequence[int]]) -> np.ndarray:
    """Logits [B, T, V] of the exported model in `folder` for ids [B, T], computed by ONNX Runtime."""
    tokens = np.array(ids, np.int64)
    return session(folder, tokens.shape[1]).run(None, {"ids": tokens})[0]
