#!/usr/bin/env python3
"""Writes references.json: statistics of hard cases for every sample type, by fractions.Fraction alone.

    python3 crates/ops/tests/make_references.py > crates/ops/tests/references.json

Samples are little-endian bytes in hex. Floats are their bits in hex, integers decimal, undefined is null.
Sums of floats are checked against math.fsum where that does not overflow on the way.
"""

import json
import math
import random
import struct
from fractions import Fraction

CODES = dict(u8="B", u16="H", u32="I", u64="Q", i8="b", i16="h", i32="i", i64="q", f16="e", f32="f", f64="d")
INF, NAN = math.inf, math.nan


def bits(v):
    return None if v is None else "%016x" % struct.unpack("<Q", struct.pack("<d", v))[0]


def to_float(q):
    """The nearest double: true division of integers is correctly rounded in Python."""
    try:
        return q.numerator / q.denominator
    except OverflowError:
        return INF if q > 0 else -INF


def root(q):
    """The double nearest to the square root: hundreds of bits of the root, made odd where it is not exact."""
    if q == 0:
        return 0.0
    shift = 3200  # even, and enough for the smallest variance of doubles, near 2^-2200
    n = (q.numerator << shift) // q.denominator
    r = math.isqrt(n)
    exact = r * r == n and (n * q.denominator == q.numerator << shift)
    return to_float(Fraction(2 * r + (0 if exact else 1), 1 << (shift // 2 + 1)))


def answers(values, is_float):
    numbers = [v for v in values if v == v]
    finite = [Fraction(v) for v in numbers if not math.isinf(v)]
    n, pos, neg = len(numbers), numbers.count(INF), numbers.count(-INF)
    total = sum(finite, Fraction(0))
    special = NAN if pos and neg else INF if pos else -INF if neg else None
    if is_float and special is None and numbers:
        try:
            assert math.fsum(numbers) == to_float(total)
        except OverflowError:
            pass

    def variance(ddof, last):
        if n - ddof <= 0:
            return None
        if special is not None:
            return bits(NAN)
        squares = sum((v * v for v in finite), Fraction(0))
        return bits(last((n * squares - total * total) / (n * (n - ddof))))

    low = min(numbers, default=None)
    high = max(numbers, default=None)
    as_text = (lambda v: bits(v + 0.0 if v else 0.0)) if is_float else str
    return {
        "valid": n,
        "nan": len(values) - n,
        "pos_inf": pos,
        "neg_inf": neg,
        "min": None if low is None else as_text(low),
        "max": None if high is None else as_text(high),
        "min_at": None if low is None else values.index(low),
        "max_at": None if high is None else values.index(high),
        "sum": bits(special if special is not None else to_float(total)) if is_float else str(total.numerator),
        "mean": None if n == 0 else bits(special if special is not None else to_float(total / n)),
        "var0": variance(0, to_float),
        "var1": variance(1, to_float),
        "std0": variance(0, root),
        "std1": variance(1, root),
    }


def cases():
    rng = random.Random(4)
    for dtype, code in CODES.items():
        if code in "efd":
            top, tiny, digits = dict(
                e=(65504.0, 2.0**-24, 11), f=((2 - 2.0**-23) * 2.0**127, 2.0**-149, 24), d=(1.7976931348623157e308, 5e-324, 53)
            )[code]
            yield dtype, "huge beside tiny", [top, tiny, -top, tiny, tiny, 1.0]
            yield dtype, "overflow on the way", [top, top, -top, -top, 3 * tiny]
            yield dtype, "overflow", [top] * 9
            yield dtype, "denormals", [tiny * k for k in (1, 2, 3, 5, -7, 11, 0, 1)]
            yield dtype, "cancelling", [v for k in range(40) for v in (1.0 + 2.0**-8 * k, -1.0 - 2.0**-8 * k)] + [tiny]
            yield dtype, "alternating", [(-1.0) ** k * (k + 0.5) for k in range(301)]
            yield dtype, "negative zeros", [-0.0] * 20
            yield dtype, "zeros of both signs", [0.0, -0.0, 0.0, -0.0]
            yield dtype, "all NaN", [NAN] * 17
            yield dtype, "NaN among numbers", [NAN, 1.5, NAN, -2.25, 3.0] * 9
            yield dtype, "one infinity", [1.0, INF, 2.0, INF, -3.0]
            yield dtype, "minus infinity", [1.0, -INF, 2.0, NAN] * 6
            yield dtype, "both infinities", [INF, 1.0, -INF]
            yield dtype, "one sample", [0.099975586]
            yield dtype, "constant", [0.3333] * 200
            yield dtype, "close to a constant", [1000.0 + 0.5 * (k == 7) for k in range(300)]
            for size in (7, 8, 1025):
                yield dtype, f"uniform {size}", [rng.uniform(-1, 1) for _ in range(size)]
            yield dtype, "offset", [min(top, 2000.0 + rng.random()) for _ in range(500)]
            spread = dict(e=(-22, 15), f=(-148, 127), d=(-1070, 1020))[code]
            yield dtype, "all exponents", [
                rng.choice((-1, 1)) * math.ldexp(rng.uniform(0.5, 1), rng.randint(*spread)) for _ in range(1100)
            ]
            middle = dict(e=(-8, 8), f=(-12, 12), d=(-12, 12))[code]
            yield dtype, "some exponents", [
                rng.choice((-1, 1)) * math.ldexp(rng.uniform(0.5, 1), rng.randint(*middle)) for _ in range(1200)
            ]
        else:
            wide = 8 * struct.calcsize(code)
            low, high = (0, 2**wide - 1) if code.isupper() else (-(2 ** (wide - 1)), 2 ** (wide - 1) - 1)
            yield dtype, "near the maximum", [high, high, high - 1, high] * 30
            yield dtype, "near the minimum", [low, low + 1, low] * 33
            yield dtype, "both ends", [low, high] * 111 + [low]
            yield dtype, "one sample", [high]
            yield dtype, "constant", [high - 3] * 500
            for size in (5, 47, 48, 49, 200, *([3073] if wide < 32 else [])):
                yield dtype, f"uniform {size}", [rng.randint(low, high) for _ in range(size)]
        yield dtype, "empty", []


def main():
    rows = []
    for dtype, name, values in cases():
        code = "<%d%s" % (len(values), CODES[dtype])
        packed = struct.pack(code, *values)
        values = list(struct.unpack(code, packed))  # as rounded to the type
        rows.append({"dtype": dtype, "name": name, "samples": packed.hex(), **answers(values, dtype[0] == "f")})
    print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")


main()
