"""PyTorch's side of the exchange of parameters.

    exchange.py write DIR    saves layers of PyTorch: KIND.safetensors by the names of their state dict, and
                             KIND.io.safetensors, what goes in and comes out (float64)
    exchange.py check DIR    loads KIND.ours.safetensors into the same layers, strictly, and compares the outputs
                             in KIND.ours.io.safetensors with PyTorch's
"""

import json
import struct
import sys
import warnings
from pathlib import Path

import numpy
import torch

warnings.filterwarnings("ignore")
torch.manual_seed(11)
torch.set_default_dtype(torch.float64)

DTYPES = {torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}
NUMPY = {"F64": numpy.float64, "I64": numpy.int64, "BOOL": numpy.bool_}


def save(path, tensors):
    header, blocks, offset = {}, [], 0
    for name, tensor in tensors.items():
        block = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def load(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = numpy.frombuffer(body[begin:end], NUMPY[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


def layers():
    """KIND: the layer, its inputs, and how it is called."""
    options = dict(dropout=0.0, activation="gelu", batch_first=True)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 12, **options), 2)
    decoder = torch.nn.TransformerDecoder(
        torch.nn.TransformerDecoderLayer(8, 2, 12, norm_first=True, **options), 2, torch.nn.LayerNorm(8))
    attention = torch.nn.MultiheadAttention(8, 2, kdim=3, vdim=6, batch_first=True)
    padding = torch.tensor([[False, False, False], [False, True, True]])
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    keys, values = torch.randn(2, 3, 3), torch.randn(2, 3, 6)
    sequence = torch.randn(2, 5, 4)
    return {
        "gru": (torch.nn.GRU(4, 6, 2, bidirectional=True, batch_first=True), [sequence], lambda m, x: m(x)),
        "lstm": (torch.nn.LSTM(4, 6, 2, batch_first=True), [sequence], lambda m, x: (m(x)[0], *m(x)[1])),
        "attention": (attention, [x, keys, values, padding],
                      lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p, average_attn_weights=False)),
        "encoder": (encoder, [x], lambda m, x: (m(x),)),
        "decoder": (decoder, [x, memory, padding],
                    lambda m, x, memory, p: (m(x, memory, tgt_mask=future, memory_key_padding_mask=p),)),
    }


def write(folder):
    for kind, (layer, inputs, call) in layers().items():
        save(folder / f"{kind}.safetensors", layer.state_dict())
        io = {f"in.{i}": tensor for i, tensor in enumerate(inputs)}
        io |= {f"out.{k}": tensor for k, tensor in enumerate(call(layer, *inputs))}
        save(folder / f"{kind}.io.safetensors", io)


def check(folder):
    for kind, (layer, _, call) in layers().items():
        layer.load_state_dict(load(folder / f"{kind}.ours.safetensors"))
        io = load(folder / f"{kind}.ours.io.safetensors")
        inputs = [io[f"in.{i}"] for i in range(sum(name.startswith("in.") for name in io))]
        for k, expected in enumerate(call(layer, *inputs)):
            error = (io[f"out.{k}"] - expected).abs().max().item()
            if not error < 1e-10:
                sys.exit(f"{kind}: output {k} of attune differs from PyTorch's by {error}")
        print(f"{kind}: PyTorch computes the same from attune's parameters")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](Path(sys.argv[2]))
