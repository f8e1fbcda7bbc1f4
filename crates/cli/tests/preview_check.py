"""Checks previews against NumPy and fractions: preview_check.py IMAGE.npy PICTURE HEIGHT WIDTH [LOW HIGH [NODATA]].

The picture must be that of the means over areas, stretched between two percentiles of the means, or from 0 to 255 where
none are given. NaN, and pixels of the nodata value, take no part; where nothing is left the picture is transparent.
"""
import sys
from fractions import Fraction

import numpy as np
from PIL import Image

image, picture = np.load(sys.argv[1]), np.asarray(Image.open(sys.argv[2]))
height, width = int(sys.argv[3]), int(sys.argv[4])
if image.ndim == 2:
    image = image[:, :, None]
nodata = float(sys.argv[7]) if len(sys.argv) > 7 else None


def parts(length, cells, i):
    """The pixels in cell i of so many, each with the part of it that is."""
    begin, end = Fraction(i * length, cells), Fraction((i + 1) * length, cells)
    for p in range(int(begin), min(length, int(end) + 1)):
        part = min(end, p + 1) - max(begin, p)
        if part > 0:
            yield p, part


def mean(i, j, c):
    total, weight = Fraction(0), Fraction(0)
    for y, wy in parts(image.shape[0], height, i):
        for x, wx in parts(image.shape[1], width, j):
            v = float(image[y, x, c])
            if v == v and v != nodata:
                total += wy * wx * Fraction(v)
                weight += wy * wx
    return total / weight if weight else None


channels = image.shape[2]
means = [[[mean(i, j, c) for c in range(channels)] for j in range(width)] for i in range(height)]
known = np.array([[[np.nan if m is None else float(m) for m in cell] for cell in row] for row in means])
if picture.ndim == 2:
    picture = picture[:, :, None]
assert picture.shape[:2] == (height, width), picture.shape
absent = np.isnan(known).all(axis=2)
if absent.any():
    assert ((picture[:, :, -1] == 0) == absent).all()
    assert (picture[:, :, -1][~absent] == 255).all()
    picture = picture[:, :, :-1]
assert picture.shape[2] == channels, picture.shape
for c in range(channels):
    if len(sys.argv) > 5:
        low, high = np.nanpercentile(known[:, :, c], [float(sys.argv[5]), float(sys.argv[6])])
        level = np.rint(np.clip((known[:, :, c] - low) * 255 / (high - low), 0, 255))
    else:
        level = np.array([[0 if m[c] is None else round(m[c]) for m in row] for row in means])
    assert (picture[:, :, c][~absent] == level[~absent]).all(), c
