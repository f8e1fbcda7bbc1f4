#!/usr/bin/env python3
"""Writes percentile_references.json: percentiles by every method of NumPy, evaluated as fractions.

    python3 make_percentile_references.py > percentile_references.json

Quantiles are the decimals as typed. The definitions are NumPy's (numpy.lib._function_base_impl), in exact
arithmetic; interpolated answers are also compared with numpy.percentile here, to rounding. Samples are written
as the bits of their type and answers as the bits of a double, in hexadecimal; "nan" is any NaN, null no valid sample.
"""
import json
import math
import random
import struct
from fractions import Fraction as F

import numpy as np

PERCENTILES = ["0", "0.1", "1", "25", "33.3", "50", "75", "99.9", "100"]
CONTINUOUS = {"interpolated_inverted_cdf": (F(0), F(1)), "hazen": (F(1, 2),) * 2, "weibull": (F(0),) * 2,
              "linear": (F(1),) * 2, "median_unbiased": (F(1, 3),) * 2, "normal_unbiased": (F(3, 8),) * 2}
METHODS = ["inverted_cdf", "averaged_inverted_cdf", "closest_observation", *CONTINUOUS, "lower", "higher", "midpoint",
           "nearest"]


def virtual(n, q, method):
    """Index of the lower sample and the fraction of the way to the next."""
    if method in CONTINUOUS:
        a, b = CONTINUOUS[method]
        v = n * q + a + q * (1 - a - b) - 1
        return math.floor(v), v - math.floor(v)
    i = n * q - 1
    j = (n - 1) * q
    if method == "inverted_cdf":
        return math.ceil(i), F(0)
    if method == "averaged_inverted_cdf":
        return math.floor(i), F(1, 2) if i.denominator == 1 else F(1)
    if method == "closest_observation":
        k = i - F(1, 2)
        return (math.floor(k) if k.denominator == 1 and math.floor(k) % 2 == 1 else math.floor(k) + 1), F(0)
    if method == "lower":
        return math.floor(j), F(0)
    if method == "higher":
        return math.ceil(j), F(0)
    if method == "midpoint":
        return math.floor(j), F(0) if j.denominator == 1 else F(1, 2)
    return round(j), F(0)


def percentile(ordered, text, method):
    n = len(ordered)
    low, t = virtual(n, F(text) / 100, method)
    if low >= n - 1:
        low, t = n - 1, F(0)
    if low < 0:
        low, t = 0, F(0)
    a, b = ordered[low], ordered[min(low + 1, n - 1)]
    if t == 0 or a == b:
        return float(a)
    if t == 1:
        return float(b)
    if math.isinf(a) or math.isinf(b):
        return math.nan if math.isinf(a) and math.isinf(b) else float(a if math.isinf(a) else b)
    exact = F(a) + (F(b) - F(a)) * t
    answer = exact.numerator / exact.denominator  # integers divide with one rounding
    if method in CONTINUOUS and abs(a) < 1e15 and abs(b) < 1e15:
        theirs = np.percentile(np.array(ordered, dtype=np.float64), float(text), method=method)
        assert abs(theirs - answer) <= 1e-10 * (b - a + abs(answer)), (ordered, text, method, theirs, answer)
    return answer


def cases():
    rng = random.Random(4)
    for name in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]:
        i = np.iinfo(name)
        yield name, [rng.randint(i.min, i.max) for _ in range(31)]
        yield name, [rng.choice([i.min, i.max, 3, 4]) for _ in range(12)]
        yield name, [i.max]
        yield name, [i.max - 1, i.max]
    inf, nan = math.inf, math.nan
    for name in ["float16", "float32", "float64"]:
        yield name, [rng.gauss(0, 1) for _ in range(101)]
        yield name, [rng.choice([-inf, -1.5, -0.0, 0.0, 2.0, inf, nan]) for _ in range(20)]
        yield name, [nan, nan]
        yield name, [nan, 2.5]
        yield name, [-inf, inf]
        yield name, [0.1, 0.3, 0.2, 0.3]
    yield "float64", [1e308, -1e308, 5e-324, 1e-308]
    yield "float32", [1e-45, 3e38, -3e38]


def bits(value):
    return None if value is None else "nan" if math.isnan(value) else struct.pack(">d", value).hex()


out = []
for dtype, samples in cases():
    array = np.array(samples, dtype=dtype)
    valid = sorted(0.0 if v == 0 and dtype[0] == "f" else v.item() for v in array if v == v)
    answers = {m: [bits(percentile(valid, p, m) if valid else None) for p in PERCENTILES] for m in METHODS}
    raw = [v.tobytes()[::-1].hex() for v in array]
    out.append({"dtype": dtype, "samples": raw, "answers": answers})
print(json.dumps({"percentiles": PERCENTILES, "cases": out}, separators=(",", ":")).replace('{"dtype"', '\n{"dtype"'))
