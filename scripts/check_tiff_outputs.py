"""Writes TIFFs with outcrop and reads them with tifffile, GDAL and libtiff: check_tiff_outputs.py BINARY."""

import contextlib
import itertools
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy
import rasterio
import tifffile
from rasterio.enums import Resampling
from rio_cogeo.cogeo import cog_validate

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
DTYPES = ["uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "int8", "float16"]
COMPRESSIONS = ["NONE", "PACKBITS", "LZW", "DEFLATE", "ZSTD", "LZMA"]
LAYOUTS = [
    ["BLOCKXSIZE=64", "BLOCKYSIZE=32"],
    ["BLOCKXSIZE=256"],
    ["TILED=NO"],
    ["TILED=NO", "BLOCKYSIZE=7"],
]
PLANES = ["INTERLEAVE=PIXEL", "INTERLEAVE=BAND"]
BIG = ["BIGTIFF=NO", "BIGTIFF=YES"]
# GDAL 3.10 of rasterio's wheels reads these, but not its own writer's float16 and LZMA everywhere.
NOT_GDAL = {"float16"}
failures = []


def outcrop(*args):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"outcrop {args}: {done.stderr}")
    return done.stdout


def claim(right, what):
    if not right:
        failures.append(what)
        print("WRONG", what)


def options(creation):
    return [word for pair in creation for word in ("--co", pair)]


def by_tifffile(path, level=0):
    with tifffile.TiffFile(path) as file:
        page = file.series[0].levels[level].pages[0] if level else file.pages[0]
        found = page.asarray()
        if page.planarconfig == 2 and found.ndim == 3:
            found = numpy.moveaxis(found, 0, -1)
    return found


@contextlib.contextmanager
def quiet():
    """Most of these images have no place in the world, and GDAL need not say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def by_gdal(path):
    with quiet(), rasterio.open(path) as image:
        found = image.read()
    found = numpy.moveaxis(found, 0, -1)
    return found[..., 0] if found.shape[2] == 1 else found


def by_libtiff(path, read=True):
    if shutil.which("tiffinfo"):
        # -D reads every block; it has no buffer for the chroma of subsampled JPEG, whoever wrote that.
        done = subprocess.run(["tiffinfo", *(["-D"] if read else []), path], capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if "Compression scheme" not in line]
        claim(not said and (done.returncode == 0 or done.stderr), f"tiffinfo {path.name}: {done.stderr.strip()}")


def same(found, wanted):
    return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tobytes() == wanted.tobytes()


def samples(dtype, shape):
    """Smooth with some noise, so that predictors matter; every byte of a sample is used."""
    rng = numpy.random.default_rng(7)
    y, x = numpy.mgrid[: shape[0], : shape[1]]
    ramp = (y * 37 + x * 3)[..., None] + rng.integers(0, 9, (shape[0], shape[1], shape[2]))
    if numpy.dtype(dtype).kind == "f":
        return (numpy.sqrt(ramp) - 11).astype(dtype)
    return (ramp * (numpy.iinfo(dtype).max // 9000 + 1)).astype(numpy.uint64).astype(dtype)


def pairs():
    """Combinations in which every two values of two lists meet at least once, roughly: a stepped product."""
    lists = [DTYPES, COMPRESSIONS, LAYOUTS, PLANES, BIG, [1, 3, 5]]
    missing = {
        (i, a, j, b)
        for i, j in itertools.combinations(range(len(lists)), 2)
        for a in range(len(lists[i]))
        for b in range(len(lists[j]))
    }
    everything = list(itertools.product(*(range(len(values)) for values in lists)))
    while missing:
        def gain(pick):
            return sum((i, pick[i], j, pick[j]) in missing for i, j in itertools.combinations(range(len(lists)), 2))
        best = max(everything[:: max(1, len(everything) // 400)] + everything[-50:], key=gain)
        if gain(best) == 0:
            best = max(everything, key=gain)
        missing -= {(i, best[i], j, best[j]) for i, j in itertools.combinations(range(len(lists)), 2)}
        yield [values[k] for values, k in zip(lists, best)]


def check_matrix(folder):
    count = 0
    for dtype, compression, layout, planes, big, channels in pairs():
        image = samples(dtype, (97, 131, channels))
        image = image[..., 0] if channels == 1 else image
        numpy.save(folder / "a.npy", image)
        creation = [f"COMPRESS={compression}", *layout, planes, big]
        name = " ".join([dtype, str(channels), *creation])
        path = folder / "a.tif"
        outcrop("convert", folder / "a.npy", path, "--overwrite", *options(creation))
        claim(same(by_tifffile(path), image), f"tifffile: {name}")
        if dtype not in NOT_GDAL:
            try:
                claim(same(by_gdal(path), image), f"GDAL: {name}")
            except rasterio.errors.RasterioError as error:
                claim(False, f"GDAL: {name}: {error}")
        by_libtiff(path)
        count += 1
    print(f"{count} combinations")


def check_shapes(folder):
    for height, width in [(1, 1), (1, 100_000), (100_000, 1), (31, 513), (512, 512)]:
        image = samples("uint16", (height, width, 1))[..., 0]
        numpy.save(folder / "s.npy", image)
        for layout in (["BLOCKXSIZE=512"], ["TILED=NO"]):
            outcrop("convert", folder / "s.npy", folder / "s.tif", "--overwrite", *options(["COMPRESS=ZSTD", *layout]))
            claim(same(by_tifffile(folder / "s.tif"), image), f"{height} x {width} {layout}")
            by_libtiff(folder / "s.tif")


def halved(image):
    """Averages of 2 x 2, rounded half to even; of what exists at odd edges."""
    wide = image.astype("f8")
    counts = numpy.ones_like(wide)
    edges = [(0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)]
    wide, counts = numpy.pad(wide, edges), numpy.pad(counts, edges)
    total = sum(wide[y::2, x::2] for y in (0, 1) for x in (0, 1))
    number = sum(counts[y::2, x::2] for y in (0, 1) for x in (0, 1))
    return numpy.rint(total / number).astype(image.dtype)


def check_pyramids(folder):
    image = samples("uint8", (1234, 2001, 3))
    numpy.save(folder / "p.npy", image)
    for big in BIG:
        creation = options(["COMPRESS=DEFLATE", "BLOCKXSIZE=128", big])
        outcrop("pyramid", folder / "p.npy", folder / "p.tif", "--overwrite", *creation)
        outcrop("pyramid", folder / "p.npy", folder / "c.tif", "--overwrite", "--cog", *creation)
        with tifffile.TiffFile(folder / "p.tif") as file:
            levels = [level.asarray() for level in file.series[0].levels]
        wanted = image
        claim(len(levels) == 5, f"{len(levels)} levels")
        for number, level in enumerate(levels):
            claim(same(level, wanted), f"level {number}, {big}")
            wanted = halved(wanted)
        with quiet():
            valid, errors, remarks = cog_validate(folder / "c.tif", strict=True, quiet=True)
        claim(valid and not errors and not remarks, f"cloud-optimised, {big}: {errors} {remarks}")
        with quiet(), rasterio.open(folder / "c.tif") as file:
            claim(file.overviews(1) == [2, 4, 8, 16], f"overviews {file.overviews(1)}")
            claim(same(numpy.moveaxis(file.read(), 0, -1), image), "base of the cloud-optimised file")
        with quiet(), rasterio.open(folder / "c.tif", overview_level=1) as file:
            claim(same(numpy.moveaxis(file.read(), 0, -1), halved(halved(image))), "overview 2")
        for name in ("p.tif", "c.tif"):
            by_libtiff(folder / name)


def check_jpeg(folder):
    image = halved(halved(samples("uint8", (400, 600, 3)).astype("uint8")))
    y, x = numpy.mgrid[:200, :300]
    image = numpy.stack([x * 255 // 300, y * 255 // 200, (x + y) * 255 // 500], axis=-1).astype("uint8")
    numpy.save(folder / "j.npy", image)
    for extra in ([], ["JPEG_SUBSAMPLING=4:4:4"]):
        creation = ["COMPRESS=JPEG", "JPEG_QUALITY=95", "BLOCKXSIZE=64", *extra]
        outcrop("convert", folder / "j.npy", folder / "j.tif", "--overwrite", *options(creation))
        worst = numpy.abs(by_gdal(folder / "j.tif").astype(int) - image).max()
        claim(worst <= 12, f"JPEG {extra} is off by {worst}")
        by_libtiff(folder / "j.tif", read=False)


def check_places(folder):
    """Georeferencing by GDAL: a window keeps its place, a level its size of pixels."""
    transform = rasterio.transform.from_origin(500_000, 6_000_000, 10, 10)
    image = samples("int16", (300, 400, 1))[..., 0]
    image[:5] = -9999
    with rasterio.open(
        folder / "g.tif", "w", driver="GTiff", height=300, width=400, count=1, dtype="int16", crs="EPSG:32632",
        transform=transform, nodata=-9999, tiled=True, blockxsize=128, blockysize=128,
    ) as file:
        file.write(image, 1)
        file.build_overviews([2], Resampling.nearest)
    outcrop("convert", folder / "g.tif", folder / "w.tif", "--overwrite", "--window", "30,20,100,50")
    outcrop("convert", folder / "g.tif", folder / "l.tif", "--overwrite", "--level", "1", "--window", "10,20,50,30")
    outcrop("pyramid", folder / "g.tif", folder / "gc.tif", "--overwrite", "--cog", *options(["BLOCKXSIZE=128"]))
    with rasterio.open(folder / "w.tif") as file:
        claim(file.crs == "EPSG:32632" and file.nodata == -9999, f"{file.crs} {file.nodata}")
        claim(file.transform == transform * transform.translation(30, 20), f"window {file.transform}")
    with rasterio.open(folder / "l.tif") as file:
        wanted = transform * transform.scale(2) * transform.translation(10, 20)
        claim(file.transform == wanted, f"level {file.transform}, not {wanted}")
    with rasterio.open(folder / "gc.tif") as file:
        claim(file.transform == transform and file.crs == "EPSG:32632", "place of the cloud-optimised file")
    valid, errors, remarks = cog_validate(folder / "gc.tif", strict=True, quiet=True)
    claim(valid, f"cloud-optimised with a place: {errors} {remarks}")


with tempfile.TemporaryDirectory() as name:
    for check in (check_matrix, check_shapes, check_pyramids, check_jpeg, check_places):
        check(pathlib.Path(name))
        print(check.__name__, "done")
print(f"{len(failures)} wrong")
sys.exit(bool(failures))
