"""Makes data of scripts/bench-peers: data.py FOLDER SIDE NAME ... What is there already is kept."""

import os
import struct
import subprocess
import sys

import numpy as np
import tifffile

OUTCROP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../target/release/outcrop")
folder, side = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(1)
TILED = dict(tile=(512, 512), photometric="rgb")
GRAY = dict(photometric="minisblack")
#: Type, rows, columns, channels, largest value and grain of the raw files. Each has 3 to 4 bytes a pixel of SIDE x SIDE.
RAW = {
    "u8x3.raw": ("u1", side, side, 3, 255, 2),
    "u16x8.raw": ("<u2", side // 4, side, 8, 65535, 40),
    "f32.raw": ("<f4", side, side, 1, 1000, 1),
}
#: The raw file that a TIFF has the pixels of, and how it is stored.
TIFFS = {
    "none.tif": ("u8x3.raw", TILED),
    "lzw.tif": ("u8x3.raw", dict(compression="lzw", predictor=2, **TILED)),
    "deflate.tif": ("u8x3.raw", dict(compression="zlib", predictor=2, **TILED)),
    "zstd.tif": ("u8x3.raw", dict(compression="zstd", predictor=2, **TILED)),
    "jpeg.tif": ("u8x3.raw", dict(compression="jpeg", compressionargs={"level": 90}, subsampling=(2, 2), **TILED)),
    "zstd-planar-u16x8.tif": ("u16x8.raw", dict(compression="zstd", predictor=2, tile=(512, 512), planarconfig="separate", **GRAY)),
    "deflate-u16x8.tif": ("u16x8.raw", dict(compression="zlib", predictor=2, tile=(512, 512), planarconfig="contig", **GRAY)),
    "f32-p3-tiled.tif": ("f32.raw", dict(compression="zlib", predictor=3, tile=(512, 512), **GRAY)),
    "f32-p3-strips.tif": ("f32.raw", dict(compression="zlib", predictor=3, rowsperstrip=64, **GRAY)),
}


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


def photograph(path, dtype, h, w, c, top, grain):
    """Octave noise, a gradient and sensor noise, a tile of 5,000 x 5,000 at most repeated."""
    th, tw = min(h, 5000), min(w, 5000)
    tile = np.empty((th, tw, c), dtype)
    for k in range(c):
        plane = noise(th, tw) * 0.8 + np.linspace(0, 0.15, tw, dtype="f4")[None]
        plane = plane * top + rng.normal(0, grain, plane.shape).astype("f4")
        tile[:, :, k] = np.clip(plane, 0, top)
    band = np.tile(tile, (1, -(-w // tw), 1))[:, :w]
    with open(path, "wb") as f:
        for y in range(0, h, th):
            np.ascontiguousarray(band[: h - y]).tofile(f)


def write_tiff(path, data, **options):
    tifffile.imwrite(path, data, bigtiff=True, metadata=None, maxworkers=os.cpu_count(), **options)


def stored_tiff(path, raw, options):
    dtype, h, w, c, *_ = RAW[raw]
    data = np.memmap(make(raw), dtype, "r", shape=(h, w, c))
    if options.get("planarconfig") == "separate":
        data = np.moveaxis(data, 2, 0)
    write_tiff(path, data[:, :, 0] if c == 1 else data, **options)


def repeated(path, pixels):
    """A ZSTD TIFF of `pixels` x `pixels` x 3 whose table of tiles names the same 64 tiles of zstd.tif again and again."""
    with tifffile.TiffFile(make("zstd.tif")) as source, open(path, "wb") as out:
        page = source.pages[0]
        across = -(-pixels // 512)
        out.write(b"\0" * 4096)
        places = []
        for at, n in list(zip(page.dataoffsets, page.databytecounts))[: min(64, len(page.dataoffsets))]:
            source.filehandle.seek(at)
            places.append((out.tell(), n))
            out.write(source.filehandle.read(n))
        table = [places[i % len(places)] for i in range(across * across)]
        offsets = out.tell()
        out.write(np.array([p[0] for p in table], "<u8").tobytes())
        counts = out.tell()
        out.write(np.array([p[1] for p in table], "<u4").tobytes())
        n = len(table)
        entries = [(256, 4, 1, pixels), (257, 4, 1, pixels), (258, 3, 3, struct.pack("<4H", 8, 8, 8, 0)), (259, 3, 1, 50000),
                   (262, 3, 1, 2), (277, 3, 1, 3), (284, 3, 1, 1), (317, 3, 1, 2), (322, 3, 1, 512), (323, 3, 1, 512),
                   (324, 16, n, places[0][0] if n == 1 else offsets), (325, 4, n, places[0][1] if n == 1 else counts)]
        out.seek(0)
        out.write(b"II" + struct.pack("<HHHQQ", 43, 8, 0, 16, len(entries)))
        for tag, kind, count, value in entries:
            out.write(struct.pack("<HHQ", tag, kind, count) + (value if isinstance(value, bytes) else struct.pack("<Q", value)))
        out.write(struct.pack("<Q", 0))


def small_files(path):
    os.makedirs(path, exist_ok=True)
    data = np.empty((64, 64, 3), "u1")
    for i in range(10_000):
        data[:] = np.arange(64)[None, :, None] + i % 190
        tifffile.imwrite(f"{path}/{i:05}.tif", data, compression="zlib", photometric="rgb", metadata=None)


def make(name):
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return path
    print("making", name, file=sys.stderr)
    part = path + ".part"
    if name in RAW:
        photograph(part, *RAW[name])
    elif name in TIFFS:
        stored_tiff(part, *TIFFS[name])
    elif name == "million.tif":
        write_tiff(part, np.zeros((16384, 16384), "u1"), compression="zstd", tile=(16, 16))
    elif name == "levels.tif":
        # Uncompressed, all levels as pages: what an encoder alone is timed on.
        subprocess.check_call([OUTCROP, "pyramid", make("none.tif"), part, "--cog", "--to", "tiff", "--quiet"])
    elif name == "small":
        small_files(part)
    elif name.startswith("repeated-"):
        repeated(part, int(name[9:-4]))
    else:
        sys.exit(f"no data is called {name}")
    os.rename(part, path)
    return path


for wanted in sys.argv[3:]:
    make(wanted)
