#!/usr/bin/env python3
"""Writes stats_references.json: what `stats` and `reduce` must answer about generated images, made with NumPy.

    python3 make_stats_references.py > stats_references.json

The images have bytes from a generator that the test has too (xorshift64), read as samples of each type. Sums, means
and variances are evaluated as fractions and rounded once; order statistics, histograms, classes and results over
axes are NumPy's own, in float64 where NumPy would compute in a narrower type.
"""
import json
import math
from fractions import Fraction as F

import numpy as np

H, W, C = 8, 5, 3
TYPES = ["|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"]
PERCENTILES = ["0", "0.1", "25", "50", "66.7", "99.9", "100"]
MASK64 = (1 << 64) - 1


def noise(count):
    state, out = 0x9E3779B97F4A7C15, bytearray()
    while len(out) < count:
        state ^= (state << 13) & MASK64
        state ^= state >> 7
        state ^= (state << 17) & MASK64
        out += state.to_bytes(8, "little")
    return bytes(out[:count])


def image(descr):
    dtype = np.dtype(descr)
    if dtype.kind == "f":
        # Bytes less 100 in sevenths, and some NaN: every third sample that is a multiple of 16.
        raw = np.frombuffer(noise(H * W * C), np.uint8)
        a = ((raw.astype(np.float64) - 100) / 7).astype(dtype)
        a[(raw % 16 == 0) & (np.arange(raw.size) % 3 == 0)] = np.nan
        return a.reshape(H, W, C)
    return np.frombuffer(noise(H * W * C * dtype.itemsize), dtype).reshape(H, W, C)


def num(v):
    if v is None:
        return None
    if isinstance(v, (np.integer, int)):
        return str(int(v))
    v = float(v)
    return "nan" if math.isnan(v) else repr(v)


def root(q):
    """The square root of a fraction, rounded once."""
    if q == 0:
        return 0.0
    shift = 0
    while q * 4**shift < 1 << 240:
        shift += 8
    scaled = q * 4**shift
    r = math.isqrt(scaled.numerator // scaled.denominator)
    return float(F(2 * r + (F(r * r) != scaled), 2) / 2**shift)


def fractions(v):
    return [F(int(x)) if v.dtype.kind != "f" else F(float(x)) for x in v]


def moments(v):
    x = fractions(v)
    n, mean = len(x), sum(x) / len(x)
    m2, m3, m4 = (sum((a - mean) ** k for a in x) / n for k in (2, 3, 4))
    skew = math.copysign(root(m3 * m3 / m2**3), m3)
    return sum(x), mean, m2, skew, float(m4 / m2**2 - 3)


def channel(a, c, mask):
    v = a[:, :, c]
    isfloat = a.dtype.kind == "f"
    kept = (mask != 0) & ~(np.isnan(v) if isfloat else np.zeros(v.shape, bool))
    valid = v[kept]
    total, mean, m2, skew, kurt = moments(valid)
    first = lambda value: [int(i) for i in np.argwhere(kept & (v == value))[0]]
    wide = valid.astype(np.float64) if a.dtype.itemsize < 8 or isfloat else valid
    percentiles = {}
    if a.dtype.itemsize < 8 or isfloat:
        for p in PERCENTILES:
            percentiles[p] = num(np.percentile(wide, float(p), method="linear"))
            percentiles[p + " lower"] = num(float(np.percentile(wide, float(p), method="inverted_cdf")))
    counts, _ = np.histogram(valid.astype(np.float64), 7, (-20, 90))
    return {
        "count": v.size, "valid": int(kept.sum()), "masked": int((mask == 0).sum()),
        "nan": int(((mask != 0) & np.isnan(v)).sum()) if isfloat else 0,
        "min": num(valid.min()), "max": num(valid.max()),
        "min_at": first(valid.min()), "max_at": first(valid.max()),
        "sum": num(float(total) if isfloat else int(total)), "mean": num(float(mean)),
        "variance": num(float(m2)), "std": num(root(m2)),
        "variance1": num(float(m2 * len(valid) / (len(valid) - 1))),
        "skewness": num(skew), "kurtosis": num(kurt), "percentiles": percentiles,
        "histogram": [int(n) for n in counts],
    }


def over(a):
    """Results of `reduce` over each axis, NaN left out (over c it propagates), in C order."""
    out = {}
    wide = a.astype(np.float64) if a.dtype.itemsize < 8 or a.dtype.kind == "f" else a
    axes = {"y": (0,), "x": (1,), "yx": (0, 1), "yxc": (0, 1, 2), "c": (2,)}
    isfloat = a.dtype.kind == "f"
    for name, axis in axes.items():
        nan = name != "c" and isfloat
        one = {}
        one["min"] = (np.nanmin if nan else np.min)(a, axis=axis)
        one["max"] = (np.nanmax if nan else np.max)(a, axis=axis)
        if a.dtype.itemsize < 8:
            # Sums of such samples are exact in float64, the floats being few and of few bits.
            exact = lambda f: f(wide, axis=axis)
            one["median"] = exact(np.nanmedian if nan else np.median).astype(out_type(a, name, "median"))
        if not isfloat:
            # Ours saturates where NumPy's wraps.
            ends = np.iinfo(np.int64 if a.dtype.kind == "i" else np.uint64)
            one["sum"] = np.clip(np.sum(a.astype(object), axis=axis), ends.min, ends.max)
            one["product"] = np.prod(a, axis=axis, dtype=np.int64 if a.dtype.kind == "i" else np.uint64)
            one["any"] = np.any(a, axis=axis).astype(np.uint8)
            one["all"] = np.all(a, axis=axis).astype(np.uint8)
            if len(axis) != 2:
                one["argmin"] = np.argmin(a, axis=axis[0] if len(axis) == 1 else None)
                one["argmax"] = np.argmax(a, axis=axis[0] if len(axis) == 1 else None)
        if not (isfloat and name == "c"):
            one["mean"] = mean_once(a, axis).astype(out_type(a, name, "mean"))
        out[name] = {op: [num(x) for x in np.asarray(v).ravel()] for op, v in one.items()}
    return out


def mean_once(a, axis):
    """Means as fractions, rounded once to the type of the result."""
    rest = [i for i in range(3) if i not in axis]
    lines = np.transpose(a, rest + list(axis)).reshape(*[a.shape[i] for i in rest], -1)
    flat = lines.reshape(-1, lines.shape[-1])
    dtype = out_type(a, "", "mean")
    found = np.empty(len(flat), dtype)
    for i, line in enumerate(flat):
        x = fractions(line[~np.isnan(line)] if a.dtype.kind == "f" else line)
        found[i] = rounded(sum(x) / len(x), dtype)
    return found


def rounded(q, dtype):
    """A fraction rounded once to float32 or float64 (half to even), for numbers that are not tiny."""
    if dtype == np.float64 or q == 0:
        return float(q)
    e = math.floor(math.log2(abs(q))) - 23
    return np.float32(float(round(q / F(2) ** e) * F(2) ** e))


def out_type(a, name, op):
    count = {"y": H, "x": W, "yx": H * W, "yxc": H * W * C, "c": C}.get(name, 0)
    if op == "median" and count % 2:
        return a.dtype
    return np.float32 if a.dtype.itemsize <= 2 or a.dtype == np.float32 else np.float64


def main():
    np.seterr(all="ignore")
    mask = np.frombuffer(noise(H * W), np.uint8).reshape(H, W) % 4
    cases = []
    for descr in TYPES:
        a = image(descr)
        case = {"descr": descr, "channels": [channel(a, c, mask) for c in range(C)], "over": over(a)}
        if a.dtype.itemsize == 1:
            values, counts = np.unique(a[:, :, 0][mask != 0], return_counts=True)
            case["unique"] = [[int(v), int(n)] for v, n in zip(values, counts)]
        if a.dtype.kind != "f":
            columns = [fractions(a[:, :, c][mask != 0]) for c in range(C)]
            n = len(columns[0])
            means = [sum(x) / n for x in columns]
            case["covariance"] = [[num(float(sum((p - m) * (q - k) for p, q in zip(x, y)) / n))
                                   for y, k in zip(columns, means)] for x, m in zip(columns, means)]
        cases.append(case)
    text = json.dumps({"shape": [H, W, C], "cases": cases}, separators=(",", ":"))
    print(text.replace('{"descr"', '\n{"descr"'))


main()
