#!/usr/bin/env python3
"""Lets tifffile read every file of the TIFF test matrix and writes matrix.json: per content (depth and samples) the
SHA-256 of the decoded pixels that tifffile gave for every file of that content (u24 alone is read in more than one way: the matrix
has it as GDAL writes and reads it, in the order opposite to the file's; tifffile takes packed bits, highest first, in both).

    cargo run -p outcrop-testkit --example tiff-matrix -- FOLDER
    python3 crates/reader/tests/make_matrix.py FOLDER          (needs numpy, tifffile, imagecodecs)
"""
import collections, hashlib, json, os, sys
import numpy, tifffile, imagecodecs

folder = sys.argv[1]
seen, failed = collections.defaultdict(collections.Counter), {}
for name in sorted(os.listdir(folder)):
    if not name.endswith(".tif"):
        continue
    parts = name[:-4].split("-")
    content = f"{parts[2]}-{parts[3]}"
    try:
        with tifffile.TiffFile(os.path.join(folder, name)) as f:
            page = f.pages[0]
            a = page.asarray()
            if page.planarconfig == 2 and a.ndim == 3:
                a = numpy.moveaxis(a, 0, 2)
            a = a.astype(a.dtype.newbyteorder("<"))
        seen[content][hashlib.sha256(numpy.ascontiguousarray(a).tobytes()).hexdigest()] += 1
    except Exception as e:
        failed[name[:-4]] = f"{type(e).__name__}: {e}"[:100]
for content, answers in seen.items():
    if len(answers) != 1:
        print(content, "is read in two ways:", dict(answers), file=sys.stderr)
    ours = hashlib.sha256(open(os.path.join(folder, content + ".bin"), "rb").read()).hexdigest()
    if ours not in answers:
        print(content, "differs from the generator", file=sys.stderr)
    elif content.startswith("u24"):
        answers[ours] += 1
kinds = collections.Counter((k.split("-")[0], k.split("-")[1], k.split("-")[2], v) for k, v in failed.items())
for k, n in sorted(kinds.items()):
    print("tifffile cannot read", n, *k, file=sys.stderr)
answers = {c: a.most_common(1)[0][0] for c, a in sorted(seen.items())}
out = {"tifffile": tifffile.__version__, "imagecodecs": imagecodecs.__version__, "sha256": answers, "files": sum(sum(a.values()) for a in seen.values())}
json.dump(out, open(os.path.join(os.path.dirname(__file__), "matrix.json"), "w"), indent=1)
