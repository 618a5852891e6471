#!/usr/bin/env python3
"""Writes what PyTorch computes, in float64, as cases for the conformance runner.

    python3 tests/conformance/generate.py OUT_DIR [--seed N]

A case is one .safetensors file: the inputs, parameters and attributes of one op, layer or optimiser,
and its outputs and gradients. README.md beside this file describes the format. Needs PyTorch 1.13 or
newer (Debian: python3-torch) and nothing else.
"""

import argparse
import collections
import json
import pathlib
import struct

import torch
import torch.nn.functional as F

SHAPES = [(), (1,), (4,), (2, 3), (2, 1, 3), (0,), (2, 0, 3)]
BROADCASTS = [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 1)), ((), (2, 2)), ((0,), (1,)),
              ((2, 0), (1,))]
REDUCTIONS = ["none", "sum", "mean"]
DTYPES = {torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}


def write_safetensors(path, tensors, metadata):
    """The container: the length of a JSON header, the header, and the elements of every tensor."""
    header = {"__metadata__": metadata}
    data = b""
    for name, tensor in tensors.items():
        elements = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(elements)],
        }
        data += elements
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Writer:
    """Computes cases, and writes each to a file named by its op and a number."""

    def __init__(self, directory):
        self.directory = directory
        self.count = collections.Counter()

    def write(self, op, attrs, tensors):
        path = self.directory / f"{op}.{self.count[op]:02}.safetensors"
        self.count[op] += 1
        metadata = {
            "op": op,
            "attrs": json.dumps(attrs),
            "source": f"PyTorch {torch.__version__}, float64",
        }
        write_safetensors(path, tensors, metadata)

    def case(self, op, function, inputs, attrs=None, params=None, constant=()):
        """One case of `function(*inputs)`. The inputs at the places in `constant` get no gradient."""
        attrs = attrs or {}
        params = params or {}
        inputs = [x.detach().clone() for x in inputs]
        wanted = {}
        for k, x in enumerate(inputs):
            if x.is_floating_point() and k not in constant:
                wanted[f"grad_in.{k}"] = x.requires_grad_()
        for name, parameter in params.items():
            wanted[f"grad_param.{name}"] = parameter
        outputs = function(*inputs)
        if isinstance(outputs, torch.Tensor):
            outputs = [outputs]

        tensors = {f"in.{k}": x for k, x in enumerate(inputs)}
        tensors.update({f"param.{name}": parameter for name, parameter in params.items()})
        loss = torch.zeros((), dtype=torch.float64)
        for k, y in enumerate(outputs):
            tensors[f"out.{k}"] = y
            if y.requires_grad:
                tensors[f"grad_out.{k}"] = torch.randn_like(y)
                loss = loss + (y * tensors[f"grad_out.{k}"]).sum()
        if loss.requires_grad:
            gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
            for (name, x), gradient in zip(wanted.items(), gradients):
                tensors[name] = torch.zeros_like(x) if gradient is None else gradient
        self.write(op, attrs, tensors)

    def layer(self, op, module, forward, inputs, attrs):
        """One case of a layer, with all its parameters."""
        self.case(op, forward, inputs, attrs, dict(module.named_parameters()))


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64)


def uniform(low, high, *shape):
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def small_integers(*shape):
    """Numbers among which there are ties, and zeros."""
    return torch.randint(-2, 3, shape).double()


def indices(bound, *shape):
    return torch.randint(0, bound, shape)


def mask(*shape):
    return torch.rand(shape) < 0.4


def key_padding(lengths, time):
    """[batch, time], true at and past each row's length."""
    return torch.arange(time)[None, :] >= torch.tensor(lengths)[:, None]


# Ops.


def elementwise(w):
    anywhere = {
        "neg": torch.neg, "exp": torch.exp, "expm1": torch.expm1, "tanh": torch.tanh,
        "sigmoid": torch.sigmoid, "relu": F.relu, "abs": torch.abs, "sin": torch.sin,
        "cos": torch.cos, "erf": torch.erf, "silu": F.silu, "softplus": F.softplus,
    }
    for op, f in anywhere.items():
        for shape in SHAPES:
            w.case(op, f, [2 * normal(*shape)])
        w.case(op, f, [torch.tensor([-30.0, -1e-9, 0.0, 1e-9, 0.5, 30.0], dtype=torch.float64)])
    positive = {"log": torch.log, "sqrt": torch.sqrt, "reciprocal": torch.reciprocal}
    for op, f in positive.items():
        for shape in SHAPES:
            w.case(op, f, [uniform(0.2, 4, *shape)])
        w.case(op, f, [torch.tensor([1e-8, 1.0, 1e8], dtype=torch.float64)])
    for shape in SHAPES:
        w.case("log1p", torch.log1p, [uniform(-0.8, 3, *shape)])
    w.case("log1p", torch.log1p, [torch.tensor([-1e-12, 0.0, 1e-12, 1e9], dtype=torch.float64)])
    w.case("log", torch.log, [torch.tensor([0.0, 1.0], dtype=torch.float64)])
    w.case("reciprocal", torch.reciprocal, [torch.tensor([-0.5, 2.0], dtype=torch.float64)])

    for approximate in ["none", "tanh"]:
        f = lambda x: F.gelu(x, approximate=approximate)
        for shape in SHAPES:
            w.case("gelu", f, [2 * normal(*shape)], {"approximate": approximate})
        extremes = torch.tensor([-30.0, -5.0, 0.0, 5.0, 30.0], dtype=torch.float64)
        w.case("gelu", f, [extremes], {"approximate": approximate})
    for slope, shape in [(0.01, (2, 3)), (0.3, ()), (-0.5, (4,)), (0.2, (0, 2))]:
        w.case("leaky_relu", lambda x: F.leaky_relu(x, slope), [normal(*shape)],
               {"negative_slope": slope})
    w.case("leaky_relu", lambda x: F.leaky_relu(x, 0.1), [small_integers(5)], {"negative_slope": 0.1})
    for exponent, x in [(2, normal(2, 3)), (3.0, normal()), (0, small_integers(6)), (1, normal(1)),
                        (0.5, uniform(0.1, 3, 4)), (-1.5, uniform(0.5, 3, 2, 2)),
                        (2, small_integers(6)), (-2, normal(0, 3)), (2.5, uniform(0, 2, 3))]:
        w.case("pow", lambda x: torch.pow(x, exponent), [x], {"exponent": exponent})
    for low, high, x in [(-0.5, 0.5, normal(2, 3)), (-1, 1, small_integers(3, 3)), (0, 0.3, normal()),
                         (-1, 1, normal(0)), (1, -1, normal(4)), (None, 0.5, normal(4)),
                         (-0.2, None, normal(1, 4))]:
        w.case("clamp", lambda x: torch.clamp(x, low, high), [x], {"min": low, "max": high})

    binary = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
              "maximum": torch.maximum, "minimum": torch.minimum}
    for op, f in binary.items():
        for a, b in BROADCASTS:
            w.case(op, f, [normal(*a), uniform(0.5, 2, *b) * torch.sign(normal(*b))])
    for op in ["maximum", "minimum"]:
        w.case(op, binary[op], [small_integers(3, 4), small_integers(3, 4)])
    for a, b in BROADCASTS:
        w.case("where", torch.where, [mask(*a), normal(*a), normal(*b)])
    w.case("where", torch.where, [mask(3, 1), normal(1, 4), normal()])
    for value, shape, of_mask in [(0, (2, 3), (2, 3)), (-1.5, (2, 3), (3,)), (2, (), ()),
                                  (-1e9, (2, 2, 3), (2, 1, 3)), (float("-inf"), (4,), (4,)),
                                  (1, (0, 2), (2,))]:
        w.case("masked_fill", lambda x, m: x.masked_fill(m, value), [normal(*shape), mask(*of_mask)],
               {"value": value})


def reductions(w):
    plans = [((), [0]), ((1,), [0]), ((5,), [-1]), ((2, 3), [0]), ((2, 3), [1]), ((2, 3), [0, 1]),
             ((2, 3, 4), [0, 2]), ((2, 3, 4), [-2]), ((2, 1, 3), [1])]
    over_nothing = [((0,), [0]), ((2, 0), [1])]
    nothing_left = [((2, 0), [0]), ((0, 3), [1])]
    reduce = {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin,
              "logsumexp": torch.logsumexp}
    for op, f in reduce.items():
        empty = nothing_left + (over_nothing if op == "sum" else [])
        for k, (shape, dim) in enumerate(plans + empty):
            keepdim = k % 2 == 1
            w.case(op, lambda x: f(x, dim, keepdim), [2 * normal(*shape)],
                   {"dim": dim, "keepdim": keepdim})
        ties = [] if op in ["sum", "mean"] else [small_integers(3, 4)]
        for x in ties:
            w.case(op, lambda x: f(x, [1], False), [x], {"dim": [1], "keepdim": False})
            w.case(op, lambda x: f(x, [0, 1], True), [x], {"dim": [0, 1], "keepdim": True})
    with_infinity = normal(2, 4)
    with_infinity[0, 1] = with_infinity[1, 0] = float("-inf")
    w.case("logsumexp", lambda x: torch.logsumexp(x, [1]), [with_infinity],
           {"dim": [1], "keepdim": False})
    w.case("logsumexp", lambda x: torch.logsumexp(x, [0]), [700 + 100 * normal(4)],
           {"dim": [0], "keepdim": False})

    for k, (shape, dim) in enumerate(plans[2:] + nothing_left):
        for unbiased in [True, False]:
            if shape == (2, 1, 3) and unbiased:
                continue
            w.case("var", lambda x: torch.var(x, dim, unbiased, k % 2 == 1), [3 + normal(*shape)],
                   {"dim": dim, "unbiased": unbiased, "keepdim": k % 2 == 1})
    for shape, dim in [((), 0), ((1,), 0), ((5,), -1), ((2, 3), 0), ((2, 3, 4), 1), ((2, 3), -1),
                       ((0,), 0), ((2, 0, 3), 1), ((2, 0, 3), 2)]:
        w.case("cumsum", lambda x: torch.cumsum(x, dim), [normal(*shape)], {"dim": dim})
    for shape, dim in [((), 0), ((1,), 0), ((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1),
                       ((0, 3), 1)]:
        w.case("argmax", lambda x: torch.argmax(x, dim), [normal(*shape)], {"dim": dim})
    w.case("argmax", lambda x: torch.argmax(x, 1), [small_integers(4, 6)], {"dim": 1})
    for shape, k, dim in [((), 1, 0), ((5,), 3, 0), ((5,), 5, -1), ((2, 4), 1, 1), ((4, 3), 2, 0),
                          ((2, 3, 4), 2, 1), ((3, 2), 0, 0), ((0, 3), 2, 1)]:
        w.case("topk", lambda x: torch.topk(x, k, dim), [normal(*shape)], {"k": k, "dim": dim})


def products(w):
    for a, b in [((3,), (3,)), ((0,), (0,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)),
                 ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((2, 3, 4), (4, 2)),
                 ((2, 3, 4), (2, 4, 2)), ((3, 4), (2, 4, 2)), ((2, 1, 2, 3), (1, 3, 3, 2)),
                 ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((0, 2, 3), (3, 2))]:
        w.case("matmul", torch.matmul, [normal(*a), normal(*b)])
    for equation, shapes in [
            ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]),
            ("ba", [(2, 3)]), ("ij->", [(2, 3)]), ("ij->j", [(2, 3)]), ("ii->i", [(3, 3)]),
            ("ii", [(3, 3)]), ("bii->b", [(2, 3, 3)]), ("i,i->", [(4,), (4,)]),
            ("i,j->ij", [(2,), (3,)]), ("ij,ij->ij", [(2, 3), (2, 3)]),
            ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]), ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 4, 2, 4)]),
            ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]), ("bn,anm,bm->ba", [(2, 3), (4, 3, 2), (2, 2)]),
            ("ij,kj->k", [(2, 3), (4, 3)]), ("ij,jk->ik", [(2, 0), (0, 3)]), (",i->i", [(), (3,)]),
            ("i,->i", [(2,), ()]), ("bik,bjk->bij", [(0, 2, 3), (0, 4, 3)]),
            ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 2)]), ("ab,cd->bc", [(2, 3), (4, 2)])]:
        w.case("einsum", lambda *x: torch.einsum(equation, *x), [normal(*s) for s in shapes],
               {"equation": equation})
    for x, weight in [((3,), (2, 3)), ((4, 3), (2, 3)), ((2, 3, 4), (1, 4)), ((0, 3), (2, 3)),
                      ((2, 1), (3, 1))]:
        w.case("linear", F.linear, [normal(*x), normal(*weight)])
        w.case("linear", F.linear, [normal(*x), normal(*weight), normal(weight[0])])
    for batch, weight in [((4,), (2, 3, 2)), ((2, 3), (1, 2, 4)), ((), (3, 2, 2)), ((0,), (2, 3, 1))]:
        inputs = [normal(*batch, weight[1]), normal(*batch, weight[2]), normal(*weight)]
        w.case("bilinear", F.bilinear, inputs)
        w.case("bilinear", F.bilinear, inputs + [normal(weight[0])])


def shapes(w):
    for x, shape in [((2, 3), [3, 2]), ((2, 3), [-1]), ((), [1]), ((1,), []), ((2, 3, 4), [2, -1, 2]),
                     ((0, 3), [3, 0]), ((2, 0), [0])]:
        w.case("reshape", lambda x: x.reshape(shape), [normal(*x)], {"shape": shape})
    for x, a, b in [((2, 3), 0, 1), ((2, 3, 4), 0, -1), ((2, 3, 4), 1, 1), ((1, 3), -2, -1),
                    ((0, 2), 0, 1), ((), 0, 0)]:
        w.case("transpose", lambda x: x.transpose(a, b), [normal(*x)], {"dim0": a, "dim1": b})
    for x, dims in [((2, 3), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [0, -1, 1]), ((), []),
                    ((1, 0, 2), [1, 2, 0])]:
        w.case("permute", lambda x: x.permute(dims), [normal(*x)], {"dims": dims})
    for x, shape in [((), [2, 3]), ((1, 3), [2, 3]), ((3,), [2, 2, 3]), ((2, 1), [-1, 4]),
                     ((1,), [0]), ((2, 1, 3), [2, 4, 3])]:
        w.case("expand", lambda x: x.expand(shape), [normal(*x)], {"shape": shape})
    for x, dim in [((1, 3), 0), ((2, 1), -1), ((1,), 0), ((2, 3), 0), ((2, 1, 0), 1), ((), 0)]:
        w.case("squeeze", lambda x: x.squeeze(dim), [normal(*x)], {"dim": dim})
    for x, dim in [((), 0), ((), -1), ((3,), 0), ((3,), -1), ((2, 3), 1), ((2, 3), -2), ((0,), 1)]:
        w.case("unsqueeze", lambda x: x.unsqueeze(dim), [normal(*x)], {"dim": dim})
    for x, dim, start, end, step in [((5,), 0, 1, 4, 1), ((5,), 0, 0, 5, 2), ((2, 6), 1, -4, -1, 2),
                                     ((3, 2), 0, 2, 2, 1), ((3, 2), -1, 0, 100, 1), ((0, 2), 0, 0, 1, 1),
                                     ((2, 4, 3), 1, 1, 4, 3)]:
        f = lambda x: x[(slice(None),) * (dim % x.dim()) + (slice(start, end, step),)]
        w.case("slice", f, [normal(*x)], {"dim": dim, "start": start, "end": end, "step": step})
    for x, dim, index in [((4,), 0, 2), ((2, 3), 1, -1), ((2, 3), 0, 0), ((2, 3, 4), -2, 1), ((2, 0), 0, 1)]:
        w.case("select", lambda x: x.select(dim, index), [normal(*x)], {"dim": dim, "index": index})
    for x, dim in [((4,), 0), ((2, 3), 1), ((2, 3, 4), -2), ((1,), 0), ((0, 2), 1), ((), 0)]:
        w.case("flip", lambda x: x.flip(dim), [normal(*x)], {"dim": dim})
    for parts, dim in [([(2, 3), (1, 3)], 0), ([(2, 3), (2, 0), (2, 2)], 1), ([(3,)], 0),
                       ([(2, 1, 3), (2, 4, 3)], -2), ([(0, 2), (0, 2)], 0)]:
        w.case("cat", lambda *x: torch.cat(x, dim), [normal(*p) for p in parts], {"dim": dim})
    for count, shape, dim in [(2, (), 0), (3, (2,), 1), (2, (2, 3), -1), (1, (2, 3), 0), (2, (0, 2), 1)]:
        w.case("stack", lambda *x: torch.stack(x, dim), [normal(*shape) for _ in range(count)],
               {"dim": dim})
    for x, sizes, dim in [((5,), [2, 3], 0), ((2, 6), [1, 0, 5], 1), ((3, 2), [1, 1, 1], -2),
                          ((2, 3), [2], 0), ((0, 2), [0, 0], 0)]:
        w.case("split", lambda x: torch.split(x, sizes, dim), [normal(*x)], {"sizes": sizes, "dim": dim})
    for op, f in [("tril", torch.tril), ("triu", torch.triu)]:
        for x, diagonal in [((3, 3), 0), ((3, 4), 1), ((2, 4, 3), -1), ((1, 1), 0), ((2, 3), 5),
                            ((2, 3), -5), ((0, 3), 0)]:
            w.case(op, lambda x: f(x, diagonal), [normal(*x)], {"diagonal": diagonal})


def indexing(w):
    for x, dim, count in [((4,), 0, 6), ((3, 2), 0, 2), ((2, 3), 1, 4), ((2, 3, 2), -2, 3), ((3, 2), 0, 0),
                          ((2, 0), 0, 3), ((1,), 0, 1)]:
        w.case("index_select", lambda x, i: torch.index_select(x, dim, i),
               [normal(*x), indices(x[dim], count)], {"dim": dim})
    for x, dim, shape in [((4,), 0, (6,)), ((3, 4), 1, (3, 2)), ((3, 4), 0, (5, 4)), ((3, 4), 1, (2, 6)),
                          ((2, 3, 4), -2, (2, 5, 4)), ((3, 4), 0, (0, 4)), ((1, 1), 1, (1, 3))]:
        at = indices(x[dim], *shape)
        w.case("gather", lambda x, i: torch.gather(x, dim, i), [normal(*x), at], {"dim": dim})
        w.case("scatter_add", lambda x, i, s: torch.scatter_add(x, dim, i, s),
               [normal(*x), at, normal(*shape)], {"dim": dim})
    for table, ids, padding in [((4, 3), (5,), None), ((4, 3), (2, 3), 0), ((5, 2), (2, 2, 2), 3),
                                ((3, 1), (), None), ((3, 2), (0,), 1), ((3, 2), (2, 0), None)]:
        w.case("embedding", lambda t, i: F.embedding(i, t, padding_idx=padding),
               [normal(*table), indices(table[0], *ids)], {"padding_idx": padding})


def normalisation(w):
    for op, f in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
        for x, dim in [((), 0), ((1,), 0), ((5,), -1), ((2, 3), 0), ((2, 3, 4), 1), ((3, 40), 1),
                       ((0, 3), 1), ((2, 0), 1)]:
            w.case(op, lambda x: f(x, dim), [3 * normal(*x)], {"dim": dim})
        w.case(op, lambda x: f(x, 0), [torch.tensor([1000.0, 999.0, -1000.0]).double()], {"dim": 0})
    masked = normal(3, 4)
    masked[0, 1] = masked[1, :3] = float("-inf")
    w.case("softmax", lambda x: torch.softmax(x, 1), [masked], {"dim": 1})
    w.case("log_softmax", lambda x: torch.log_softmax(x, 1), [masked[[0, 2]]], {"dim": 1})
    for shape, eps in [((5,), 1e-5), ((2, 3), 1e-5), ((2, 3, 4), 0.1), ((3, 40), 1e-5), ((0, 3), 1e-5),
                       ((2, 1), 1e-2)]:
        f = lambda x, *affine: F.layer_norm(x, x.shape[-1:], *affine, eps=eps)
        x = 3 + 2 * normal(*shape)
        w.case("layer_norm", f, [x], {"eps": eps})
        w.case("layer_norm", f, [x, normal(shape[-1])], {"eps": eps})
        w.case("layer_norm", f, [x, normal(shape[-1]), normal(shape[-1])], {"eps": eps})


def losses(w):
    def classes(shape, targets, ignored=None):
        count = shape[0] if len(shape) == 1 else shape[1]
        t = indices(count, *targets)
        if ignored is not None and t.numel() > 1:
            t.view(-1)[0] = ignored
        return normal(*shape), t

    of_classes = [((4,), ()), ((3, 5), (3,)), ((2, 1), (2,)), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2))]
    for shape, targets in of_classes:
        for k, reduction in enumerate(REDUCTIONS):
            ignored, smoothing = [(-100, 0.0), (1, 0.1), (-1, 0.5)][k]
            x, t = classes(shape, targets, ignored)
            w.case("cross_entropy",
                   lambda x, t: F.cross_entropy(x, t, ignore_index=ignored, label_smoothing=smoothing,
                                                reduction=reduction), [x, t],
                   {"ignore_index": ignored, "label_smoothing": smoothing, "reduction": reduction})
            x, t = classes(shape, targets)
            w.case("nll_loss", lambda x, t: F.nll_loss(x, t, reduction=reduction), [x, t],
                   {"reduction": reduction})
    x, t = classes((3, 4), (3,))
    x[torch.arange(3), (t + 1) % 4] = float("-inf")
    for reduction in REDUCTIONS:
        w.case("cross_entropy", lambda x, t: F.cross_entropy(x, t, reduction=reduction), [x, t],
               {"ignore_index": -100, "label_smoothing": 0.0, "reduction": reduction})
    for reduction in ["none", "sum"]:
        x, t = classes((0, 3), (0,))
        w.case("cross_entropy", lambda x, t: F.cross_entropy(x, t, reduction=reduction), [x, t],
               {"ignore_index": -100, "label_smoothing": 0.0, "reduction": reduction})
        all_ignored = torch.full((2,), -100)
        w.case("cross_entropy", lambda x, t: F.cross_entropy(x, t, reduction=reduction),
               [normal(2, 3), all_ignored],
               {"ignore_index": -100, "label_smoothing": 0.0, "reduction": reduction})

    elementwise_losses = {"mse_loss": F.mse_loss, "l1_loss": F.l1_loss}
    for op, f in elementwise_losses.items():
        for reduction in REDUCTIONS:
            attrs = {"reduction": reduction}
            for shape in [(), (1,), (2, 3), (2, 2, 2)] + ([] if reduction == "mean" else [(0, 2)]):
                w.case(op, lambda x, y: f(x, y, reduction=reduction), [normal(*shape), normal(*shape)], attrs)
            w.case(op, lambda x, y: f(x, y, reduction=reduction),
                   [small_integers(3, 3), small_integers(3, 3)], attrs)
    for beta, reduction, shape in [(1.0, "mean", (2, 3)), (0.5, "none", (5,)), (2.0, "sum", ()),
                                   (0.0, "mean", (4,)), (1.0, "sum", (0,))]:
        w.case("smooth_l1_loss", lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=beta),
               [normal(*shape), normal(*shape)], {"beta": beta, "reduction": reduction})
    w.case("smooth_l1_loss", lambda x, y: F.smooth_l1_loss(x, y, reduction="none", beta=1.0),
           [small_integers(4, 4), small_integers(4, 4)], {"beta": 1.0, "reduction": "none"})
    for reduction, shape in [("mean", (2, 3)), ("none", (5,)), ("sum", ()), ("sum", (0,)), ("none", (1,))]:
        w.case("binary_cross_entropy_with_logits",
               lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
               [5 * normal(*shape), uniform(0, 1, *shape)], {"reduction": reduction})
    w.case("binary_cross_entropy_with_logits",
           lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"),
           [torch.tensor([-50.0, 50.0, 0.0, 300.0]).double(), torch.tensor([1.0, 0.0, 1.0, 1.0]).double()],
           {"reduction": "none"}, constant=[1])
    for reduction, shape in [("none", (2, 3)), ("sum", (4,)), ("mean", (2, 2, 3)), ("batchmean", (3, 4)),
                             ("batchmean", (1, 2)), ("none", (0, 3)), ("sum", ())]:
        attrs = {"reduction": reduction}
        f = lambda x, t: F.kl_div(x, t, reduction=reduction)
        w.case("kl_div", f, [normal(*shape), uniform(0.1, 1, *shape)], attrs)
        some_zero = uniform(0.1, 1, *shape).masked_fill(mask(*shape), 0)
        w.case("kl_div", f, [normal(*shape), some_zero], attrs, constant=[1])


# Attention and layers.


def weights_of(scores, hidden):
    """Softmax over the keys; 0 where `hidden` is true, everywhere if need be."""
    if hidden is None:
        return torch.softmax(scores, -1)
    return torch.softmax(scores.masked_fill(hidden, -1e30), -1).masked_fill(hidden, 0)


def attention(w):
    def scaled_dot_product(q, k, v, padding=None, is_causal=False):
        hidden = None if padding is None else padding[:, None, None, :]
        if is_causal:
            future = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
            hidden = future if hidden is None else hidden | future
        weights = weights_of(q @ k.transpose(-2, -1) / q.shape[-1]**0.5, hidden)
        return weights @ v

    for batch, heads, queries, keys, size, out in [(2, 2, 3, 4, 2, 2), (1, 1, 1, 1, 1, 1), (2, 1, 4, 4, 3, 2),
                                                   (2, 2, 0, 3, 2, 2)]:
        qkv = [normal(batch, heads, queries, size), normal(batch, heads, keys, size),
               normal(batch, heads, keys, out)]
        padding = key_padding([keys] + [max(1, keys - 2)] * (batch - 1), keys)
        for causal in [False, True]:
            f = lambda *x: scaled_dot_product(*x, is_causal=causal)
            w.case("scaled_dot_product_attention", f, qkv, {"is_causal": causal})
            w.case("scaled_dot_product_attention", f, qkv + [padding], {"is_causal": causal})

    def additive(q, k, v, padding, w_q, w_k, score):
        hidden = torch.tanh((q @ w_q.T)[:, :, None, :] + (k @ w_k.T)[:, None, :, :])
        weights = weights_of(hidden @ score, padding[:, None, :])
        return weights @ v, weights

    def general(q, k, v, padding, weight):
        weights = weights_of(q @ weight @ k.transpose(-2, -1), padding[:, None, :])
        return weights @ v, weights

    for queries, lengths, keys in [(3, [4, 2], 4), (1, [1], 1), (2, [3, 0], 3), (1, [5, 3, 1], 5)]:
        batch = len(lengths)
        qkv = [normal(batch, queries, 3), normal(batch, keys, 2), normal(batch, keys, 4)]
        padding = key_padding(lengths, keys)
        w.case("additive_attention", additive, qkv + [padding, normal(5, 3), normal(5, 2), normal(5)])
        w.case("general_attention", general, qkv + [padding, normal(3, 2)])


def recurrent(w):
    plans = [dict(), dict(bidirectional=True), dict(num_layers=2), dict(bias=False),
             dict(num_layers=2, bidirectional=True), dict(batch_first=False)]
    for kind in ["RNN", "GRU", "LSTM"]:
        for k, plan in enumerate(plans):
            for lengths in [None, [3, 1]]:
                attrs = dict(input_size=2, hidden_size=3, num_layers=1, bidirectional=False, bias=True,
                             batch_first=True, lengths=lengths)
                attrs.update(plan)
                sequence_case(w, kind, attrs, batch=2, time=4, with_states=k % 2 == 1)
        attrs = dict(input_size=1, hidden_size=1, num_layers=1, bidirectional=False, bias=True,
                     batch_first=True, lengths=None)
        sequence_case(w, kind, attrs, batch=1, time=1, with_states=False)
    for kind in ["GRUCell", "LSTMCell"]:
        for batch, inputs, hidden, bias in [(2, 3, 2, True), (1, 1, 1, True), (3, 2, 4, False)]:
            module = getattr(torch.nn, kind)(inputs, hidden, bias=bias).double()
            states = [normal(batch, hidden) for _ in range(2 if kind == "LSTMCell" else 1)]
            if kind == "GRUCell":
                forward = module
            else:
                forward = lambda x, h, c: module(x, (h, c))
            w.layer(f"nn.{kind}", module, forward, [normal(batch, inputs)] + states,
                    dict(input_size=inputs, hidden_size=hidden, bias=bias))


def sequence_case(w, kind, attrs, batch, time, with_states):
    module = getattr(torch.nn, kind)(
        attrs["input_size"], attrs["hidden_size"], num_layers=attrs["num_layers"], bias=attrs["bias"],
        batch_first=attrs["batch_first"], bidirectional=attrs["bidirectional"]).double()
    rows = attrs["num_layers"] * (2 if attrs["bidirectional"] else 1)
    shape = (batch, time) if attrs["batch_first"] else (time, batch)
    inputs = [normal(*shape, attrs["input_size"])]
    if with_states:
        inputs += [normal(rows, batch, attrs["hidden_size"]) for _ in range(2 if kind == "LSTM" else 1)]

    def forward(x, *states):
        initial = None if not states else states if kind == "LSTM" else states[0]
        if attrs["lengths"] is None:
            output, final = module(x, initial)
        else:
            packed = torch.nn.utils.rnn.pack_padded_sequence(
                x, attrs["lengths"], batch_first=attrs["batch_first"], enforce_sorted=False)
            packed_output, final = module(packed, initial)
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(
                packed_output, batch_first=attrs["batch_first"], total_length=time)
        return [output, *(final if kind == "LSTM" else [final])]

    w.layer(f"nn.{kind}", module, forward, inputs, attrs)


def transformer(w):
    def randomise(module):
        """Biases and the weights of norms begin as 0 and 1, which would hide mistakes."""
        for parameter in module.parameters():
            if parameter.dim() == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        return module.double()

    for embed, heads, kdim, vdim, causal, padded in [(4, 2, None, None, False, False),
                                                     (4, 2, None, None, False, True),
                                                     (6, 3, 2, 5, False, True), (4, 1, None, None, True, False),
                                                     (2, 2, None, None, True, True)]:
        module = randomise(torch.nn.MultiheadAttention(embed, heads, kdim=kdim, vdim=vdim, batch_first=True))
        queries, keys = 3, 3 if causal else 4
        future = torch.ones(queries, keys, dtype=torch.bool).triu(1) if causal else None
        forward = lambda q, k, v, padding=None: module(q, k, v, key_padding_mask=padding, attn_mask=future,
                                                       average_attn_weights=False)
        inputs = [normal(2, queries, embed), normal(2, keys, kdim or embed), normal(2, keys, vdim or embed)]
        inputs += [key_padding([keys, 2], keys)] if padded else []
        w.layer("nn.MultiheadAttention", module, forward, inputs,
                dict(embed_dim=embed, num_heads=heads, kdim=kdim, vdim=vdim, is_causal=causal))

    for activation, norm_first, padded in [("relu", False, False), ("gelu", True, True), ("relu", True, True)]:
        attrs = dict(d_model=4, nhead=2, dim_feedforward=6, activation=activation, norm_first=norm_first)
        options = dict(dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first)
        encoder = randomise(torch.nn.TransformerEncoderLayer(4, 2, 6, **options))
        padding = [key_padding([3, 2], 3)] if padded else []
        w.layer("nn.TransformerEncoderLayer", encoder,
                lambda x, p=None: encoder(x, src_key_padding_mask=p), [normal(2, 3, 4)] + padding, attrs)
        decoder = randomise(torch.nn.TransformerDecoderLayer(4, 2, 6, **options))
        future = torch.ones(4, 4, dtype=torch.bool).triu(1)
        w.layer("nn.TransformerDecoderLayer", decoder,
                lambda x, memory, p=None: decoder(x, memory, tgt_mask=future, memory_key_padding_mask=p),
                [normal(2, 4, 4), normal(2, 3, 4)] + padding, attrs)


# Optimisers and second order.


def optimisers(w):
    plans = {
        "SGD": [dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.05, momentum=0.9, dampening=0.3),
                dict(lr=0.1, momentum=0.8, nesterov=True), dict(lr=0.1, weight_decay=0.1),
                dict(lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)],
        "Adam": [dict(), dict(lr=0.1, betas=[0.8, 0.9]), dict(lr=0.1, weight_decay=0.1, eps=1e-4),
                 dict(lr=0.3, amsgrad=True)],
        "AdamW": [dict(), dict(lr=0.1, weight_decay=0.2), dict(lr=0.1, betas=[0.5, 0.9], amsgrad=True)],
        "RMSprop": [dict(), dict(lr=0.1, alpha=0.8), dict(lr=0.05, alpha=0.9, momentum=0.9)],
        "Adagrad": [dict(), dict(lr=0.5)],
        "Adadelta": [dict(), dict(lr=0.5, rho=0.8)],
    }
    for kind, options in plans.items():
        for attrs in options:
            x, y = normal(5, 3), normal(5, 2)
            weight = normal(3, 2).requires_grad_()
            bias = normal(2).requires_grad_()
            tensors = {"in.0": x, "in.1": y, "param.w": weight.detach().clone(),
                       "param.b": bias.detach().clone()}
            optimiser = getattr(torch.optim, kind)([weight, bias], **attrs)
            for step in range(1, 6):
                optimiser.zero_grad()
                ((torch.tanh(x @ weight + bias) - y)**2).mean().backward()
                optimiser.step()
                tensors[f"step.{step}.w"] = weight.detach().clone()
                tensors[f"step.{step}.b"] = bias.detach().clone()
            w.write(f"optim.{kind}", attrs, tensors)


def second_order(w):
    functions = {
        "softmax": lambda x: torch.softmax(x, -1),
        "log_softmax": lambda x: torch.log_softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
        "logsumexp": lambda x: torch.logsumexp(x, -1),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    for name, f in functions.items():
        scalar = [] if name == "layer_norm" else [()]
        for shape in scalar + [(1,), (5,), (2, 3), (2, 1, 4), (0, 3)]:
            x = normal(*shape).requires_grad_()
            out = f(x)
            incoming, direction = torch.randn_like(out), torch.randn_like(x)
            (g,) = torch.autograd.grad((out * incoming).sum(), x, create_graph=True)
            (hvp,) = torch.autograd.grad((g * direction).sum(), x)
            w.write(f"second_order.{name}", {},
                    {"in.0": x, "out.0": out, "grad_out.0": incoming, "grad_in.0": g,
                     "direction.0": direction, "hvp.0": hvp})


FAMILIES = [elementwise, reductions, products, shapes, indexing, normalisation, losses, attention, recurrent,
            transformer, optimisers, second_order]


def main():
    parser = argparse.ArgumentParser(description="Writes what PyTorch computes as conformance cases.")
    parser.add_argument("directory", metavar="OUT_DIR", type=pathlib.Path, help="where to; made if need be")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random numbers (default 0)")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    writer = Writer(arguments.directory)
    for family in FAMILIES:
        family(writer)
    print(f"{sum(writer.count.values())} cases of {len(writer.count)} ops in {arguments.directory}")


if __name__ == "__main__":
    main()
