"""Compares every a.tif in a folder with the samples in a.npy beside it: python3 peers.py FOLDER (NumPy, tifffile)."""

import pathlib
import sys

import numpy
import tifffile

files = sorted(pathlib.Path(sys.argv[1]).glob("*.tif"))
wrong = 0
for path in files:
    want = numpy.load(path.with_suffix(".npy"))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        found = page.asarray()
        if page.planarconfig == 2 and found.ndim == 3:
            found = numpy.moveaxis(found, 0, -1)
        same = found.dtype == want.dtype and found.tobytes() == want.tobytes()
    if not same:
        wrong += 1
        print(path.name, found.shape, found.dtype, want.shape, want.dtype)
print(f"{len(files)} files, {wrong} wrong")
sys.exit(wrong != 0 or not files)
