"""Checks `stats` and `reduce` against NumPy and fractions: figures_check.py BINARY quick|full, in an empty folder.

Every sample type, with nodata and a mask: sums, variances by --ddof up to the number of samples and beyond, histograms, classes,
every method of percentiles with 64 quantiles, moments, covariances, every reduction over each axis, and the same text for
threads and chunks. Prints what differs and exits with 1.
"""
import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction as F

import numpy as np

binary, full = sys.argv[1], sys.argv[2] == "full"
rng = np.random.default_rng(5)
TYPES = ["i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"]
METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear median_unbiased "
    "normal_unbiased lower higher midpoint nearest"
).split()
QUANTILES = [str(round(100 * i / 63, 3)) for i in range(63)] + ["0.1"]
OPERATIONS = (
    "mean sum min max median std var range argmin argmax any all count-valid norm-l1 norm-l2 product percentile:30"
).split()
AXES = {"c": (2,), "y": (0,), "x": (1,), "yx": (0, 1), "yxc": (0, 1, 2)}
faults = 0


def fault(*what):
    global faults
    faults += 1
    print("differs:", *(str(w)[:200] for w in what))


def run(*args):
    done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        fault(args, done.stderr)
    return done.stdout


def stats(*args):
    return json.loads(run("stats", "a.npy", "--json", *args))


def image(dtype, h, w, c=3):
    """Extremes, few small values among others; NaN and a negative zero in floats."""
    if dtype[-2] == "f":
        a = (rng.standard_normal((h, w, c)) * 100).astype(dtype)
        a[rng.random((h, w, c)) < 0.12] = np.nan
        a.flat[3], a.flat[5] = -0.0, a.flat[9]
    else:
        i = np.iinfo(dtype)
        a = rng.integers(i.min, i.max, (h, w, c), dtype=dtype, endpoint=True)
        small = rng.random((h, w, c)) < 0.5
        a[small] = rng.integers(0, 9, small.sum()).astype(dtype)
        a.flat[0], a.flat[1] = i.max, i.min
    np.save("a.npy", a)
    return a


def kept(a, nodata, mask):
    keep = np.ones(a.shape, bool)
    if nodata is not None:
        keep &= a != nodata
    if mask is not None:
        keep &= (mask != 0)[..., None]
    return keep & ~np.isnan(a) if a.dtype.kind == "f" else keep


def fraction(x):
    return F(float(x)) if x.dtype.kind == "f" else F(int(x))


def rounded(x):
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return math.copysign(math.inf, x)


def root(x):
    """The correctly rounded root of a fraction."""
    if x == 0:
        return 0.0
    k = max(0, 80 - (x.numerator.bit_length() - x.denominator.bit_length()) // 2)
    x = x * 4**k
    s = math.isqrt(x.numerator // x.denominator)
    return rounded(F(s, 2**k) if F(s) ** 2 == x else F(2 * s + 1, 2 ** (k + 1)))


def place(n, q, method):
    """The index of the lower neighbour and the fraction of the way to the next."""
    ab = {"hazen": F(1, 2), "weibull": F(0), "median_unbiased": F(1, 3), "normal_unbiased": F(3, 8)}
    clip = lambda i: (max(0, min(n - 1, i)), F(0))
    last = (n - 1) * q
    if method in ab:
        a = ab[method]
        v = n * q + a + q * (1 - a - a) - 1
    elif method == "linear":
        v = last
    elif method == "interpolated_inverted_cdf":
        v = n * q - 1
    elif method == "averaged_inverted_cdf" and (n * q).denominator == 1:
        v = n * q - F(1, 2)
    elif method in ("inverted_cdf", "averaged_inverted_cdf"):
        return clip(math.ceil(n * q) - 1)
    elif method == "closest_observation":
        v = n * q - F(3, 2)
        f = math.floor(v)
        return clip(f if v == f and f % 2 == 1 else f + 1)
    elif method == "midpoint":
        v = last if last.denominator == 1 else math.floor(last) + F(1, 2)
    else:
        return clip({"lower": math.floor, "higher": math.ceil, "nearest": round}[method](last))
    if v < 0 or v >= n - 1:
        return clip(0 if v < 0 else n - 1)
    return math.floor(v), v - math.floor(v)


def percentile(ordered, q, method):
    i, f = place(len(ordered), q, method)
    return ordered[i] * (1 - f) + ordered[i + 1] * f if f else ordered[i]


def reduction(op, v, places):
    n, s = len(v), sum(v, F(0))
    if op in ("count-valid", "any", "all"):
        return {"count-valid": n, "any": any(v), "all": all(v)}[op]
    if n == 0:
        return None
    if op in ("argmin", "argmax"):
        return places[v.index(min(v) if op == "argmin" else max(v))]
    if op in ("std", "var"):
        var = (n * sum(x * x for x in v) - s * s) / F(n * n)
        return root(var) if op == "std" else rounded(var)
    if op == "norm-l2":
        return root(sum(x * x for x in v))
    if op in ("median", "percentile:30"):
        return percentile(sorted(v), F(1, 2) if op == "median" else F(3, 10), "linear")
    simple = {"mean": lambda: s / n, "sum": lambda: s, "min": lambda: min(v), "max": lambda: max(v)}
    simple |= {"range": lambda: max(v) - min(v), "norm-l1": lambda: sum(map(abs, v)), "product": lambda: math.prod(v)}
    return simple[op]()


def check_stats(dtype):
    a, mask = image(dtype, 5, 7), rng.integers(0, 2, (5, 7)).astype("u1")
    np.save("m.npy", mask)
    for nodata, m, ddof in itertools.product((None, 3), (None, mask), (0, 1, 35, 36, 1000) if full else (1, 35)):
        flags = ["--nodata", nodata] if nodata is not None else []
        flags += ["--mask", "m.npy"] if m is not None else []
        keep = kept(a, nodata, m)
        for c, got in enumerate(stats("--ddof", ddof, *flags)["channels"]):
            v = [fraction(x) for x in a[..., c][keep[..., c]]]
            n, s = len(v), sum(v, F(0))
            want = {"valid": n, "mean": rounded(s / n), "variance": None, "std": None}
            if ddof < n:
                var = (n * sum(x * x for x in v) - s * s) / F(n * (n - ddof))
                want |= {"variance": rounded(var), "std": root(var)}
            for key, value in want.items():
                if got[key] != value:
                    fault(dtype, flags, ddof, key, got[key], value)
    for bins, ends in itertools.product((1, 10, 256) if full else (7,), (None, (0, 10), (-5.5, 3.25), (3, 3))):
        spec = str(bins) + (f":{ends[0]}:{ends[1]}" if ends else "")
        got = stats("--histogram", spec)["channels"]
        v = [a[..., c][kept(a, None, None)[..., c]].astype("f8") for c in range(3)]
        ends = ends or (min(x.min() for x in v), max(x.max() for x in v))
        for c in range(3):
            want = np.histogram(v[c], bins, ends)[0].tolist()
            if got[c]["histogram"]["counts"] != want:
                fault(dtype, spec, c, got[c]["histogram"], want)
    if dtype[-2] != "f":
        for c, got in enumerate(stats("--unique")["channels"]):
            want = [[int(v), int(n)] for v, n in zip(*np.unique(a[..., c], return_counts=True))]
            if got["unique"] != want:
                fault(dtype, "unique", got["unique"], want)


def check_ranks(dtype, method, nodata):
    a = image(dtype, 23, 31)
    flags = ["--percentiles", ",".join(QUANTILES), "--method", method] + (["--nodata", nodata] if nodata else [])
    keep = kept(a, nodata, None)
    ordered = [sorted(fraction(x) for x in a[..., c][keep[..., c]]) for c in range(3)]
    for more in ([], ["--moments", "--histogram", "9"]):
        for c, got in enumerate(stats(*flags, *more)["channels"]):
            for q in QUANTILES:
                want = rounded(percentile(ordered[c], F(q) / 100, method))
                if got["percentiles"][q] != want:
                    fault(dtype, flags[3:], more, q, got["percentiles"][q], want)
            if more:
                n, mean = len(ordered[c]), sum(ordered[c]) / len(ordered[c])
                m2, m3, m4 = (sum((x - mean) ** k for x in ordered[c]) / n for k in (2, 3, 4))
                for key, want in ("skewness", float(m3) / float(m2) ** 1.5), ("kurtosis", float(m4 / m2**2) - 3):
                    if abs(got[key] - want) > 1e-12 * max(1, abs(want)):
                        fault(dtype, key, got[key], want)


def check_covariance(dtype, nodata, width):
    a = image(dtype, 5, width)
    pixels = kept(a, nodata, None).all(axis=2)
    v = [[fraction(x) for x in a[..., c][pixels]] for c in range(3)]
    n = len(v[0])
    got = stats("--covariance", "--ddof", 1, *(["--nodata", nodata] if nodata else []))["covariance"]["covariance"]
    for x, y in itertools.product(range(3), range(3)):
        both = n * sum(p * q for p, q in zip(v[x], v[y])) - sum(v[x]) * sum(v[y])
        if got[x][y] != rounded(both / F(n * (n - 1))):
            fault(dtype, "covariance", nodata, width, x, y, got[x][y])


def check_reduce(dtype, op, over, nodata, masked):
    if op == "product" and dtype[-2] == "f" and over != "c":
        return
    a, mask = image(dtype, 4, 6), rng.integers(0, 3, (4, 6)).astype("u1")
    np.save("m.npy", mask)
    whole = op in ("argmin", "argmax", "any", "all", "count-valid") or op == "product" and dtype[-2] != "f"
    to = ("uint64" if dtype[-2] == "u" and op == "product" else "int64") if whole else "float64"
    flags = ["--over", over, "--dtype", to, "--nan", "omit", "--overwrite"]
    flags += (["--nodata", nodata] if nodata else []) + (["--mask", "m.npy"] if masked else [])
    run("reduce", op, "a.npy", "o.npy", *flags)
    axes = AXES[over]
    order = [d for d in range(3) if d not in axes] + list(axes)
    size = math.prod(a.shape[d] for d in axes)
    lines = np.transpose(a, order).reshape(-1, size)
    keep = np.transpose(kept(a, nodata, mask if masked else None), order).reshape(-1, size)
    for line, k, got in zip(lines, keep, np.load("o.npy").reshape(-1)):
        places = np.nonzero(k)[0].tolist()
        want = reduction(op, [fraction(line[p]) for p in places], places)
        if want is None:
            same = got == -1 if op in ("argmin", "argmax") else whole or np.isnan(got)
        elif whole:
            same = (int(got) - int(want)) % 2**64 == 0
        else:
            same = float(got) == (want if isinstance(want, float) else rounded(want))
        if not same:
            fault(dtype, op, flags, got, want)


def check_cuts(dtype):
    image(dtype, 150, 200)
    np.save("m.npy", rng.integers(0, 3, (150, 200)).astype("u1"))
    flags = ["--percentiles", "0.1,1,50,99", "--moments", "--histogram", "10", "--covariance", "--nodata", 3]
    texts = {
        run("stats", "a.npy", "--json", "-j", threads, "--chunk", chunk, "--mask", "m.npy", *flags)
        for threads, chunk in itertools.product((1, 2, 3, 16) if full else (1, 3), ("1,200", "7,13", "64,64", "150,200"))
    }
    if len(texts) != 1:
        fault(dtype, "by threads and chunks")


for t, dtype in enumerate(TYPES):
    check_stats(dtype)
    check_cuts(dtype)
    for m, method in enumerate(METHODS):
        if full or m % len(TYPES) == t:
            check_ranks(dtype, method, [None, 3][m % 2])
    for nodata, width in itertools.product((None, 3), (7, 1500) if full else (40,)):
        check_covariance(dtype, nodata, width)
    for i, (op, over) in enumerate(itertools.product(OPERATIONS, AXES)):
        for j, (nodata, masked) in enumerate(itertools.product((None, 3), (False, True))):
            if full or (i + j) % len(TYPES) == t and j == i % 4:
                check_reduce(dtype, op, over, nodata, masked)
sys.exit(faults > 0)
