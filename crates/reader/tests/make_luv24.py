"""Finds the chroma codes of SGI LogLuv 24 by asking libtiff (through rasterio) what each of them decodes to.

Prints the table of src/tiff/codec/luv24.rs, a row of codes as (first u' in millionths, codes), and the SHA-256 of the
answers that its test expects. The files that libtiff writes give the layout: rows of v' lie 0.0035 apart from 0.01694, codes of a
row as far; only where a row begins and how many codes it has must be found.
"""

import hashlib
import math
import struct
import tempfile

import numpy as np
import rasterio

CODES = 1 << 14


def answers():
    codes = np.arange(CODES, dtype=">u4")
    pixels = codes.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    tags = [(256, 128), (257, 128), (258, None), (259, 34677), (262, 32845), (273, 8), (277, 3), (278, 128), (279, len(pixels)), (339, None)]
    data = b"II*\0" + struct.pack("<I", 8 + len(pixels) + 12) + pixels
    bits, formats = len(data), len(data) + 6
    data += struct.pack("<6H", 16, 16, 16, 2, 2, 2) + struct.pack("<H", len(tags))
    for tag, value in tags:
        if value is None:
            data += struct.pack("<HHII", tag, 3, 3, bits if tag == 258 else formats)
        else:
            data += struct.pack("<HHII", tag, 4, 1, value)
    with tempfile.NamedTemporaryFile(suffix=".tif") as file:
        file.write(data + bytes(4))
        file.flush()
        with rasterio.open(file.name) as image:
            return image.read().reshape(3, -1)[1:].T.astype("<i2")


def main():
    found = answers()
    u, v = found.astype(int).T
    used = CODES
    while (found[used - 1] == found[CODES - 1]).all():
        used -= 1
    starts = [c for c in range(used) if c == 0 or v[c] != v[c - 1]]
    rows = []
    for row, (start, end) in enumerate(zip(starts, starts[1:] + [used])):
        assert v[start] == (2 * 16940 + (2 * row + 1) * 3500) * 32768 // 2_000_000
        of = lambda first, k: (2 * first + (2 * k + 1) * 3500) * 32768 // 2_000_000
        near = round(u[start] / 32768 * 1e6 - 1750)
        fit = [m for m in range(near - 40, near + 41) if all(of(m, k) == u[start + k] for k in range(end - start))]
        rows.append((fit[len(fit) // 2], end - start))
    print(len(rows), "rows,", used, "codes, others", found[CODES - 1], hashlib.sha256(found.tobytes()).hexdigest())
    print(", ".join(map(str, rows)))


main()
