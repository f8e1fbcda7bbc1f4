"""The works of scripts/bench-peers: the commands of outcrop and of every peer, their limits and checks."""

import json
import os
import subprocess

from bench import OUTCROP, WORK, disk_read, limits

#: work: factor against the fastest peer, share of the limit (issue 7); the first that matches. 3 replaces a factor of 1.2
#: where the fastest peer encodes on one thread.
TARGETS = {
    "stats raw u*": (8, 0.5),
    "stats raw f32": (1.3, None),
    "mean raw u8x3": (2, 0.7),
    "percentiles*": (5, None),
    "stats tiff lzw": (3, 0.9),
    "stats tiff deflate*": (1.5, 0.9),
    "stats tiff jpeg": (1.5, 0.9),
    "stats tiff f32*": (1.5, 0.9),
    "stats tiff zstd*": (1.3, 0.9),
    "convert*": (1.2, 0.85),
    "pyramid*": (1.2, 0.85),
}


def means_of(text):
    """The means that a program printed: outcrop's JSON, gdalinfo's report, or a list."""
    if "STATISTICS_MEAN=" in text:
        return [float(line.split("=")[1]) for line in text.splitlines() if "STATISTICS_MEAN=" in line]
    lines = text.splitlines()
    if len(lines) > 1:
        return [sum(json.loads(line)["channels"][0]["mean"] for line in lines)]
    answer = json.loads(text)
    if isinstance(answer, list):
        return answer
    channels = answer["channels"]
    if "percentiles" in channels[0]:
        return [c["percentiles"]["50"] for c in channels]
    return [c["mean"] for c in channels]


def means_agree(tolerance):
    """A check that what a program prints is what outcrop printed, to a relative tolerance."""

    def check(work, ours, theirs):
        found = means_of(theirs)
        wanted = means_of(ours) if ours else found
        if len(found) == len(wanted) and all(abs(a - b) <= tolerance * max(1, abs(a)) for a, b in zip(wanted, found)):
            return None
        return f"{found[:3]}, not {wanted[:3]}"

    return check


def output_agrees(source, output, *options, most=0.0, average=0.0, levels=1):
    """A check that a file holds the pixels of `source`, to that largest and average difference, with that many levels."""

    def check(work, *_):
        task = "mean" if options else "tiff"
        answer = subprocess.run([*WORK, "check", task, source, output, *options], capture_output=True, text=True)
        if answer.returncode:
            return (answer.stderr.strip().splitlines() or ["not readable"])[-1]
        largest, *rest = json.loads(answer.stdout)
        if largest > most or rest and (rest[0] > average or rest[1] < levels):
            return f"differs by up to {largest}" + (f", {rest[0]:.2f} on average, {rest[1]:.0f} levels" if rest else "")
        return None

    return check


def measure(b):
    for who in ["libvips", "gdal", "numpy", "dask"]:
        b.start_up(who, [*WORK, who, "start", "-"])
    b.start_up("vips (Debian)", ["vips", "--version"])
    b.start_up("gdal (Debian)", ["gdalinfo", "--version"])
    b.start_up("ImageMagick (Debian)", ["/usr/bin/convert", "--version"])
    raw_files(b)
    tiff_stats(b)
    converts(b)
    cold_cache(b)
    starting(b)
    scaling(b)
    # Last: its long answers make this process larger, and the peaks of those that it starts with it.
    small_files(b)


def raw_files(b):
    n = b.side
    kinds = {"u8x3": ("u1", n, 3), "u16x8": ("<u2", n // 4, 8), "f32": ("<f4", n, 1)}
    for name, (dtype, h, c) in kinds.items():
        path, shape = b.path(f"{name}.raw"), f"{h},{n},{c}"
        ours = ["--shape", shape, "--dtype", {"u1": "uint8"}.get(dtype, dtype)]
        theirs = [path, f"shape={shape}", f"dtype={dtype}"]
        b.compare(f"stats raw {name}", {
            "outcrop": [OUTCROP, "stats", path, *ours, "--json"],
            "libvips": [*WORK, "libvips", "stats", *theirs],
            "numpy": [*WORK, "numpy", "stats", *theirs],
            "dask": [*WORK, "dask", "stats", *theirs],
        }, [f"{name}.raw"], lambda: limits("memory", path)["read_seconds"], check=means_agree(1e-6))
        out = h * n * 4
        to = b.path("o.out")
        b.compare(f"mean raw {name}", {
            "outcrop": [OUTCROP, "mean", path, to, *ours, "--to", "raw"],
            "libvips": [*WORK, "libvips", "mean", path, to, *theirs[1:]],
            "numpy": [*WORK, "numpy", "mean", path, to, *theirs[1:]],
        }, [f"{name}.raw"], lambda: limits("memory", path, out)["copy_seconds"], output=to, writes=out + (64 << 20),
            check=output_agrees(path, to, *theirs[1:], most=0.01))
        if name != "u8x3":
            b.compare(f"percentiles raw {name}", {
                "outcrop": [OUTCROP, "stats", path, *ours, "--percentiles", "50", "--json"],
                "numpy": [*WORK, "numpy", "percentiles", *theirs],
            }, [f"{name}.raw"], check=means_agree(1e-4))


def tiff_stats(b):
    for codec in ["none", "lzw", "deflate", "zstd", "jpeg", "deflate-u16x8", "zstd-planar-u16x8", "f32-p3-tiled", "f32-p3-strips"]:
        path = b.path(f"{codec}.tif")
        commands = {
            "outcrop": [OUTCROP, "stats", path, "--json"],
            "libvips": [*WORK, "libvips", "stats", path],
            "gdal": [*WORK, "gdal", "stats", path],
            "gdal (Debian)": ["gdalinfo", "-stats", path],
            "dask": [*WORK, "dask", "stats", path, *(["planar=1"] if "planar" in codec else [])],
        }
        if codec == "none":
            limit = lambda: limits("memory", path)["read_seconds"]
        else:
            limit = lambda: limits("decode", path)["seconds"]
        # JPEG decoders differ in rounding.
        b.compare(f"stats tiff {codec}", commands, [f"{codec}.tif"], limit, check=means_agree(5e-3 if codec == "jpeg" else 1e-6))
    middle = b.side // 2 - 512
    window(b, "window 1024 of tiff deflate", middle)


def window(b, work, at, cold=False):
    path = b.path("deflate.tif")
    b.compare(work, {
        "outcrop": [OUTCROP, "stats", path, "--window", f"{at},{at},1024,1024", "--json"],
        "libvips": [*WORK, "libvips", "window", path, f"window={at},{at},1024"],
        "gdal": [*WORK, "gdal", "window", path, f"window={at},{at},1024"],
    }, ["deflate.tif"], check=means_agree(1e-6), cold=path if cold else None)


def converts(b):
    source, out = b.path("none.tif"), b.path("o.tif")
    writes = b.side * b.side * 3 + (64 << 20)
    for codec, level in [("none", None), ("lzw", None), ("deflate", 6), ("zstd", 3), ("jpeg", 90)]:
        options = [f"codec={codec}", *([f"level={level}"] if level else [])]
        name = {"deflate": "ZLEVEL", "zstd": "ZSTD_LEVEL", "jpeg": "JPEG_QUALITY"}.get(codec)
        creation = ["TILED=YES", f"COMPRESS={codec.upper()}", *([f"{name}={level}"] if level else [])]
        gdal = ["BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES", *creation]
        gdal += {"none": [], "jpeg": ["PHOTOMETRIC=YCBCR"]}.get(codec, ["PREDICTOR=2"])
        vips = ["--compression", codec, *({"jpeg": [], "none": []}.get(codec, ["--predictor", "horizontal"]))]
        # libvips halves the colours as the others do (4:2:0) below a quality of 90 only.
        vips_level = 89 if codec == "jpeg" else level
        vips += ["--Q" if codec == "jpeg" else "--level", str(vips_level)] if level else []
        commands = {
            "outcrop": [OUTCROP, "convert", source, out, *(x for o in creation for x in ("--co", o))],
            "libvips": [*WORK, "libvips", "convert", source, out, f"codec={codec}", *([f"level={vips_level}"] if level else [])],
            "vips (Debian)": ["vips", "tiffsave", source, out, "--tile", "--tile-width", "512", "--tile-height", "512",
                              "--bigtiff", *vips],
            "gdal": [*WORK, "gdal", "convert", source, out, *options],
            "gdal (Debian)": ["gdal_translate", "-q", source, out, *(x for o in gdal for x in ("-co", o))],
        }
        if codec == "none":
            limit = lambda: limits("memory", source, b.side * b.side * 3)["copy_seconds"]
        else:
            limit = lambda: limits("encode", source, codec, level or 0)["seconds"]
        loss = dict(most=64, average=4) if codec == "jpeg" else {}
        b.compare(f"convert to {codec}", commands, ["none.tif"], limit, output=out, writes=writes,
                  check=output_agrees(source, out, **loss))
    translate = ["gdal_translate", "-q", source, out, *sum((["-co", o] for o in (
        "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES", "COMPRESS=DEFLATE", "ZLEVEL=6", "PREDICTOR=2")), [])]
    overviews = ["gdaladdo", "-q", "-r", "average", "--config", "COMPRESS_OVERVIEW", "DEFLATE", "--config", "PREDICTOR_OVERVIEW", "2", out]
    b.compare("pyramid deflate", {
        "outcrop": [OUTCROP, "pyramid", source, out, "--co", "COMPRESS=DEFLATE", "--co", "ZLEVEL=6"],
        "libvips": [*WORK, "libvips", "convert", source, out, "codec=deflate", "level=6", "pyramid=1"],
        "gdal": [*WORK, "gdal", "convert", source, out, "codec=deflate", "level=6", "pyramid=1"],
        "gdal (Debian)": ["sh", "-c", " ".join(translate) + " && " + " ".join(overviews)],
    }, ["none.tif", "levels.tif"], lambda: limits("encode", b.path("levels.tif"), "deflate", 6)["seconds"], output=out, writes=writes,
        check=output_agrees(source, out, levels=4 if b.side > 4000 else 1))
    if b.args.size == "small":
        path = b.path("none.tif")
        b.compare("convert to deflate beside ImageMagick", {
            "outcrop": [OUTCROP, "convert", path, out, "--co", "COMPRESS=DEFLATE", "--co", "ZLEVEL=6"],
            "ImageMagick (Debian)": ["/usr/bin/convert", path, "-define", "tiff:tile-geometry=512x512", "-compress", "zip", f"tiff64:{out}"],
        }, ["none.tif"], output=out, writes=writes, check=output_agrees(path, out))


def cold_cache(b):
    """The same works with the input on disk: taken out of the page cache before each run."""
    n = b.side
    path = b.path("u8x3.raw")
    b.compare("cold: stats raw u8x3", {
        "outcrop": [OUTCROP, "stats", path, "--shape", f"{n},{n},3", "--dtype", "uint8", "--json"],
        "libvips": [*WORK, "libvips", "stats", path, f"shape={n},{n},3", "dtype=u1"],
    }, ["u8x3.raw"], lambda: disk_read(path), check=means_agree(1e-6), cold=path)
    packed = b.path("deflate.tif")
    b.compare("cold: stats tiff deflate", {
        "outcrop": [OUTCROP, "stats", packed, "--json"],
        "libvips": [*WORK, "libvips", "stats", packed],
        "gdal": [*WORK, "gdal", "stats", packed],
    }, ["deflate.tif"], lambda: max(disk_read(packed), limits("decode", packed)["seconds"]), check=means_agree(1e-6), cold=packed)
    window(b, "cold: window 1024 of tiff deflate", n // 2 - 512, cold=True)


def starting(b):
    million = b.path("million.tif")
    b.compare("info of a million blocks", {
        "outcrop": [OUTCROP, "info", million],
        "vips (Debian)": ["vipsheader", "-a", million],
        "gdal (Debian)": ["gdalinfo", million],
    }, ["million.tif"])
    b.compare("--help", {
        "outcrop": [OUTCROP, "--help"],
        "vips (Debian)": ["vips", "--version"],
        "gdal (Debian)": ["gdalinfo", "--version"],
        "libvips": [*WORK, "libvips", "start", "-"],
        "gdal": [*WORK, "gdal", "start", "-"],
        "numpy": [*WORK, "numpy", "start", "-"],
        "dask": [*WORK, "dask", "start", "-"],
    })


def scaling(b):
    """Sizes beyond memory, and one thread beside all."""
    for megapixels, side in [(10, 3162), (100, 10_000), (1_000, 31_623), (10_000, 100_000)]:
        name = f"repeated-{side}.tif"
        b.compare(f"{megapixels:,} megapixels", {"outcrop": [OUTCROP, "stats", b.path(name), "--json"]}, [name])
    stats = [(f"stats tiff {c}", f"{c}.tif", ["stats"], ["decode"]) for c in
             ("lzw", "deflate", "zstd", "jpeg", "deflate-u16x8", "zstd-planar-u16x8", "f32-p3-tiled", "f32-p3-strips")]
    for work, source, ours, plain in [*stats, ("convert to deflate", "none.tif", ["convert"], ["encode"])]:
        path, out = b.path(source), b.path("o.tif")
        more = [out, "--co", "COMPRESS=DEFLATE", "--co", "ZLEVEL=6"] if ours == ["convert"] else ["--json"]
        codec = ["deflate", 6] if ours == ["convert"] else []
        b.gain(
            work,
            lambda n: [OUTCROP, *ours, path, *more, "-j", str(n)],
            lambda n: limits(*plain, path, *codec, one_cpu=n == 1)["seconds"],
            [source],
            out if ours == ["convert"] else None,
        )


def small_files(b):
    folder = b.path("small")
    if b.wanted("10,000 files of 64 x 64"):
        b.need("small")
        names = sorted(os.listdir(folder))
        b.compare("10,000 files of 64 x 64", {
            "outcrop": [OUTCROP, "stats", *(os.path.join(folder, n) for n in names), "--json"],
            "libvips": [*WORK, "libvips", "small", folder],
            "gdal": [*WORK, "gdal", "small", folder],
            "numpy": [*WORK, "numpy", "small", folder],
        }, check=means_agree(1e-6))
