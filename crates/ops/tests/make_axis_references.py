#!/usr/bin/env python3
"""Writes axis_references.json: reductions by name over every axis, and histograms.

    python3 make_axis_references.py > axis_references.json

Sums, moments and percentiles are fractions rounded once to a double; places, extremes, any, all, integer products and
histograms are NumPy's. Samples are written as the bits of their type, answers as the bits of a double.
"""
import json
import math
import random
import struct
from fractions import Fraction as F

import numpy as np

SHAPE = (5, 4, 3)
OVER = {"c": (2,), "y": (0,), "x": (1,), "yx": (0, 1), "yxc": (0, 1, 2)}


def root(value):
    """The square root of a fraction, to 200 bits before it is rounded."""
    scale = 2 * max(0, 200 - math.frexp(float(value))[1]) if value else 0
    digits = math.isqrt((value.numerator << scale) // value.denominator)
    return F(digits, 1 << (scale // 2))


def reduce(op, a):
    v = [F(s) for s in a.tolist()]
    n, total = len(v), sum(v)
    if op == "sum":
        return total
    if op == "mean":
        return total / n
    if op in ("var", "std"):
        var = sum(s * s for s in v) / n - (total / n) ** 2
        return var if op == "var" else root(var)
    if op == "range":
        return max(v) - min(v)
    if op == "norm-l1":
        return sum(abs(s) for s in v)
    if op == "norm-l2":
        return root(sum(s * s for s in v))
    if op == "median":
        v.sort()
        return (v[(n - 1) // 2] + v[n // 2]) / 2
    if op == "product":
        return F(np.prod(a, dtype=np.int64 if a.dtype.kind == "i" else np.uint64).item()) if a.dtype.kind != "f" else None
    f = {"min": np.min, "max": np.max, "argmin": np.argmin, "argmax": np.argmax, "any": np.any, "all": np.all}[op]
    return F(f(a).item())


OPS = ["sum", "mean", "var", "std", "min", "max", "range", "argmin", "argmax", "any", "all", "norm-l1", "norm-l2", "median",
       "product"]


def images():
    rng = random.Random(7)
    n = math.prod(SHAPE)
    for name in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]:
        i = np.iinfo(name)
        yield np.array([rng.choice([0, 1, i.min, i.max, rng.randint(i.min, i.max)]) for _ in range(n)], dtype=name)
    for name in ["float16", "float32", "float64"]:
        yield np.array([rng.choice([0.0, 1.5, -2.0, rng.gauss(0, 1), rng.gauss(0, 1) * 1e-5]) for _ in range(n)], dtype=name)
    yield np.array([rng.gauss(0, 1) * 10.0 ** rng.randint(-150, 150) for _ in range(n)], dtype="float64")


def bits(f):
    return None if f is None else struct.pack(">d", f.numerator / f.denominator).hex()


cases = []
for flat in images():
    image = flat.reshape(SHAPE)
    answers = {}
    for over, axes in OVER.items():
        keep = [i for i in range(3) if i not in axes]
        groups = np.moveaxis(image, keep, list(range(len(keep)))).reshape(math.prod([SHAPE[i] for i in keep]), -1)
        answers[over] = {op: [bits(reduce(op, g)) for g in groups] for op in OPS}
    histograms = []
    for bins, low, high in [(7, -1.0, 1.0), (10, 0.0, 255.0), (3, 2.0, 2.0), (64, -3.3, 250.1)]:
        counts, edges = np.histogram(flat.astype(np.float64), bins, (low, high))
        histograms.append([bins, low, high, counts.tolist(), [bits(F(e)) for e in edges.tolist()]])
    raw = [v.tobytes()[::-1].hex() for v in flat]
    cases.append({"dtype": str(flat.dtype), "samples": raw, "answers": answers, "histograms": histograms})
print(json.dumps({"shape": SHAPE, "cases": cases}, separators=(",", ":")).replace('{"dtype"', '\n{"dtype"'))
