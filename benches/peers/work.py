"""One piece of work by one peer, as a process of its own: work.py PEER TASK INPUT [OUTPUT] [key=value ...].

Prints what it computed, so that the driver can check that all agree. Kept as a user of the library would write it.
The task `start` imports the library and ends; the peer `check` says how much two files differ.
"""

import glob
import json
import sys

peer, task, path, *rest = sys.argv[1:]
options = dict(a.split("=", 1) for a in rest if "=" in a)
output = next((a for a in rest if "=" not in a), None)


def say(means):
    print(json.dumps([float(m) for m in means]))


def raw_shape():
    h, w, c = (int(v) for v in options["shape"].split(","))
    return h, w, c, options["dtype"]


if peer == "numpy":
    import numpy as np

    if "shape" in options:
        h, w, c, dtype = raw_shape()
        a = np.memmap(path, dtype, "r", shape=(h, w, c))
        rows = max(1, (4 << 20) // (w * c * a.itemsize))
    if task == "start":
        pass
    elif task == "small":
        import tifffile

        say([sum(tifffile.imread(p)[:, :, 0].mean() for p in sorted(glob.glob(path + "/*.tif")))])
    elif task == "stats":
        total, squares = np.zeros(c), np.zeros(c)
        low, high = np.full(c, np.inf), np.full(c, -np.inf)
        for y in range(0, h, rows):
            block = a[y : y + rows].reshape(-1, c)
            low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
            total += block.sum(0, dtype="f8")
            squares += np.square(block, dtype="f8").sum(0)
        say(total / (h * w))
    elif task == "mean":
        out = np.memmap(output, "<f4", "w+", shape=(h, w))
        for y in range(0, h, rows):
            out[y : y + rows] = a[y : y + rows].mean(2, dtype="f4")
        out.flush()
    elif task == "percentiles":
        say([np.percentile(a[:, :, k], 50) for k in range(c)])
elif peer == "dask":
    import dask
    import dask.array as da
    import numpy as np

    dask.config.set(scheduler="threads", num_workers=int(options.get("threads", 2)))
    if task == "stats":
        if "shape" in options:
            h, w, c, dtype = raw_shape()
            a = da.from_array(np.memmap(path, dtype, "r", shape=(h, w, c)), chunks=(max(1, (16 << 20) // (w * c)), w, c))
        else:
            import tifffile
            import zarr

            a = da.from_zarr(zarr.open(tifffile.imread(path, aszarr=True), mode="r"))
            a = a[:, :, None] if a.ndim == 2 else da.moveaxis(a, 0, 2) if options.get("planar") else a
        parts = da.compute(a.min((0, 1)), a.max((0, 1)), a.mean((0, 1)), a.std((0, 1)))
        say(parts[2])
elif peer == "libvips":
    import pyvips

    if task in ("start", "small"):
        pyvips.version(0)
    elif "shape" in options:
        h, w, c, dtype = raw_shape()
        image = pyvips.Image.rawload(path, w, h, c * {"u1": 1, "<u2": 2, "<f4": 4}[dtype])
        image = image.copy(format={"u1": "uchar", "<u2": "ushort", "<f4": "float"}[dtype], bands=c)
    else:
        image = pyvips.Image.new_from_file(path, access="sequential")
    if task == "small":
        say([sum(pyvips.Image.new_from_file(p)[0].avg() for p in sorted(glob.glob(path + "/*.tif")))])
    elif task == "stats":
        table = image.stats().tolist()
        say([row[4] for row in table[1:]])
    elif task == "mean":
        image.cast("float").bandmean().rawsave(output)
    elif task == "convert":
        codec = options["codec"]
        image.tiffsave(output, tile=True, tile_width=512, tile_height=512, bigtiff=True, compression=codec,
                       pyramid=options.get("pyramid") == "1", subifd=options.get("pyramid") == "1",
                       **({"predictor": "horizontal"} if codec in ("lzw", "deflate", "zstd") else {}),
                       **({"Q" if codec == "jpeg" else "level": int(options["level"])} if "level" in options else {}))
    elif task == "window":
        x, y, n = (int(v) for v in options["window"].split(","))
        image = pyvips.Image.new_from_file(path)
        say([row[4] for row in image.crop(x, y, n, n).stats().tolist()[1:]])
elif peer == "gdal":
    import rasterio
    from rasterio import shutil
    from rasterio.windows import Window

    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS", GDAL_PAM_ENABLED="NO"):
        if task == "small":
            total = 0
            for p in sorted(glob.glob(path + "/*.tif")):
                with rasterio.open(p) as f:
                    total += f.read(1).mean()
            say([total])
        elif task == "stats":
            with rasterio.open(path) as f:
                say([f.statistics(k, approx=False, clear_cache=True).mean for k in f.indexes])
        elif task == "window":
            x, y, n = (int(v) for v in options["window"].split(","))
            with rasterio.open(path) as f:
                say(f.read(window=Window(x, y, n, n)).mean((1, 2)))
        elif task == "convert":
            more = {"pyramid": dict(driver="COG", blocksize=512, overview_resampling="average")}.get(
                "pyramid" if options.get("pyramid") == "1" else "", dict(driver="GTiff", tiled=True, blockxsize=512, blockysize=512))
            codec = options["codec"].upper()
            if codec in ("LZW", "DEFLATE", "ZSTD"):
                more["predictor"] = 2
            if "level" in options:
                key = {"DEFLATE": "zlevel", "ZSTD": "zstd_level"}.get(codec, "jpeg_quality")
                more["level" if more["driver"] == "COG" else key] = options["level"]
            if codec == "JPEG":
                more["photometric"] = "YCBCR"
            shutil.copy(path, output, compress=codec, bigtiff="YES", num_threads="ALL_CPUS", **more)
elif peer == "check" and task == "mean":
    import numpy as np

    h, w, c, dtype = raw_shape()
    a = np.memmap(path, dtype, "r", shape=(h, w, c))
    b = np.memmap(output, "<f4", "r", shape=(h, w))
    rows = range(0, h, max(1, h // 500))
    say([max(np.abs(a[y].mean(1, dtype="f8") - b[y]).max() for y in rows)])
elif peer == "check":
    import rasterio
    import tifffile
    from rasterio.windows import Window

    with rasterio.open(path) as a, rasterio.open(output) as b:
        if (a.width, a.height, a.count) != (b.width, b.height, b.count):
            sys.exit("another shape")
        differences = []
        for y in range(0, a.height, max(1, a.height // 5)):
            for x in range(0, a.width, max(1, a.width // 5)):
                window = Window(x, y, min(300, a.width - x), min(300, a.height - y))
                differences.append(abs(a.read(window=window).astype("i4") - b.read(window=window)))
    with tifffile.TiffFile(output) as f:
        levels = len(f.series[0].levels)
    say([max(d.max() for d in differences), sum(d.mean() for d in differences) / len(differences), levels])
else:
    sys.exit(f"no peer {peer}")
