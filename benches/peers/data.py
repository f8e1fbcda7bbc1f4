"""Makes the data of scripts/bench-peers in FOLDER, SIDE pixels wide; what is there already is kept."""

import os
import sys

import numpy as np
import tifffile

folder, side = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(1)


def noise(h, w):
    """Octave noise in 0..1: random grids of doubling fineness, enlarged and added."""
    out = np.zeros((h, w), "f4")
    for octave in range(3, 9):
        n = 1 << octave
        grid = rng.random((n + 1, n + 1), dtype="f4")
        y, x = np.linspace(0, n - 1e-3, h, dtype="f4"), np.linspace(0, n - 1e-3, w, dtype="f4")
        yi, xi = y.astype(int), x.astype(int)
        fy, fx = (y - yi)[:, None], (x - xi)[None]
        rows = grid[yi] * (1 - fy) + grid[yi + 1] * fy
        out += (rows[:, xi] * (1 - fx) + rows[:, xi + 1] * fx) / n
    return (out - out.min()) / np.ptp(out)


def photograph(h, w, c, top, grain):
    """Octave noise, a gradient and sensor noise, a tile of 5,000 x 5,000 at most repeated."""
    th, tw = min(h, 5000), min(w, 5000)
    tile = np.stack([noise(th, tw) for _ in range(c)], 2) * 0.8
    tile += (np.linspace(0, 0.15, tw, dtype="f4")[None, :, None])
    tile = tile * top + rng.normal(0, grain, tile.shape).astype("f4")
    tile = np.clip(tile, 0, top)
    return np.tile(tile, (-(-h // th), -(-w // tw), 1))[:h, :w] if (h, w) != (th, tw) else tile


def make(name, write):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print("making", name, file=sys.stderr)
        write(path + ".part")
        os.rename(path + ".part", path)
    return path


def tiff(path, data, **options):
    tifffile.imwrite(path, data, bigtiff=True, metadata=None, maxworkers=os.cpu_count(), **options)


raw = {"u8x3": ("u1", side, 3, 255, 2), "u16x8": ("<u2", side // 2, 8, 65535, 40), "f32": ("<f4", side, 1, 1000, 1)}
for name, (dtype, h, c, top, grain) in raw.items():
    make(f"{name}.raw", lambda p: np.ascontiguousarray(photograph(h, side, c, top, grain).astype(dtype)).tofile(p))

rgb = np.memmap(os.path.join(folder, "u8x3.raw"), "u1", "r", shape=(side, side, 3))
u16 = np.memmap(os.path.join(folder, "u16x8.raw"), "<u2", "r", shape=(side // 2, side, 8))
f32 = np.memmap(os.path.join(folder, "f32.raw"), "<f4", "r", shape=(side, side))
tiled = dict(tile=(512, 512), photometric="rgb")
make("none.tif", lambda p: tiff(p, rgb, **tiled))
make("lzw.tif", lambda p: tiff(p, rgb, compression="lzw", predictor=2, **tiled))
make("deflate.tif", lambda p: tiff(p, rgb, compression="zlib", predictor=2, **tiled))
make("zstd.tif", lambda p: tiff(p, rgb, compression="zstd", predictor=2, **tiled))
make("jpeg.tif", lambda p: tiff(p, rgb, compression="jpeg", compressionargs={"level": 90}, subsampling=(2, 2), tile=(512, 512), photometric="rgb"))
make("zstd-planar-u16x8.tif", lambda p: tiff(p, np.moveaxis(u16, 2, 0), compression="zstd", predictor=2, tile=(512, 512),
                                             photometric="minisblack", planarconfig="separate"))
make("f32-p3-tiled.tif", lambda p: tiff(p, f32, compression="zlib", predictor=3, tile=(512, 512)))
make("f32-p3-strips.tif", lambda p: tiff(p, f32, compression="zlib", predictor=3, rowsperstrip=64))
make("million.tif", lambda p: tiff(p, np.zeros((16384, 16384), "u1"), compression="zstd", tile=(16, 16)))
