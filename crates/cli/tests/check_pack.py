"""What `outcrop pack` makes, opened by NumPy and compared with Pillow: check_pack.py BINARY.

Needs numpy and Pillow, and OpenCV for one comparison. Runs in a folder of its own, which it removes.
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
from PIL import Image, ImageOps

BINARY = sys.argv[1]
FILTERS = {"lanczos": Image.LANCZOS, "bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR, "area": Image.BOX,
           "nearest": Image.NEAREST}
random = np.random.default_rng(5)


def outcrop(*args, code=0):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def pack(*args, code=0):
    for old in pathlib.Path(".").glob("out*"):
        old.unlink()
    return outcrop("pack", *args, "-q", code=code)


def picture(h, w, c=3, smooth=False):
    if smooth:
        y, x = np.mgrid[:h, :w]
        return np.stack([127 + 100 * np.sin(x / 17 + k) * np.cos(y / 11) for k in range(c)], -1).astype("u1")
    return random.integers(0, 256, (h, w, c), dtype="u1")


def save(name, array, **more):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).save(path, **more)


def resized_and_cropped_pictures_are_pillows():
    shapes = [(375, 500), (51, 37), (700, 1000), (3, 5), (480, 640), (1, 1), (256, 300), (300, 256)]
    for i, shape in enumerate(shapes):
        save(f"a/{i}.png", picture(*shape, smooth=i % 2))
    for name, pillow in FILTERS.items():
        pack("a", "out.npy", "--resize", "33x21", "--filter", name)
        x = np.load("out.npy", mmap_mode="r")
        assert x.shape == (8, 21, 33, 3) and x.dtype == np.uint8, (x.shape, x.dtype)
        for i in range(len(shapes)):
            wanted = np.asarray(Image.open(f"a/{i}.png").resize((33, 21), pillow)).astype(int)
            assert abs(x[i] - wanted).max() <= 1, (name, i, abs(x[i] - wanted).max())
        pack("a", "out.npy", "--resize", 40, "--crop", "32x36", "--filter", name)
        x = np.load("out.npy")
        for i, (h, w) in enumerate(shapes):
            size = (40, int(40 * h / w)) if w <= h else (int(40 * w / h), 40)
            left, top = round((size[0] - 32) / 2), round((size[1] - 36) / 2)
            wanted = Image.open(f"a/{i}.png").resize(size, pillow).crop((left, top, left + 32, top + 36))
            assert abs(x[i] - np.asarray(wanted).astype(int)).max() <= 1, (name, i)
        pack("a", "out.npy", "--resize", "50x40", "--filter", name, "--pad=9")
        x = np.load("out.npy")
        for i in range(len(shapes)):
            wanted = ImageOps.pad(Image.open(f"a/{i}.png"), (50, 40), pillow, (9, 9, 9))
            assert abs(x[i] - np.asarray(wanted).astype(int)).max() <= 1, (name, i)


def transparent_pictures_are_resized_as_pillow_does():
    for i, c in enumerate((4, 2)):
        save("t/a.png", picture(60, 70, c))
        for name, pillow in FILTERS.items():
            pack("t", "out.npy", "--resize", "31x44", "--filter", name, "--mode", "keep")
            wanted = np.asarray(Image.open("t/a.png").resize((31, 44), pillow)).astype(int)
            assert abs(np.load("out.npy")[0] - wanted).max() <= 1, (c, name)


def colours_are_converted_as_pillow_does():
    rgb = picture(20, 30)
    kinds = {"L": picture(20, 30, 1), "LA": picture(20, 30, 2), "RGB": rgb, "RGBA": picture(20, 30, 4)}
    for kind, array in kinds.items():
        save(f"c/{kind}.png", array)
    Image.fromarray(rgb).quantize(50).save("c/P.png")
    Image.fromarray(rgb).quantize(50).save("c/Pt.png", transparency=3)
    Image.fromarray(rgb).convert("1").save("c/one.png")
    Image.fromarray(rgb).quantize(9).save("c/P4.png", bits=4)
    Image.fromarray(rgb).save("c/rgb.bmp")
    Image.fromarray(rgb).quantize(50).save("c/P.bmp")
    Image.fromarray(rgb).convert("L").save("c/L.bmp")
    Image.fromarray(rgb).convert("1").save("c/one.bmp")
    Image.fromarray(kinds["RGBA"]).save("c/rgba.bmp")
    Image.fromarray(rgb).save("c/rgb.webp", lossless=True)
    Image.fromarray(kinds["RGBA"]).save("c/rgba.webp", lossless=True, exact=True)
    Image.fromarray(rgb).save("c/rgb.tif")
    Image.fromarray(rgb).convert("L").save("c/L.tif", compression="tiff_lzw")
    Image.fromarray(rgb).convert("CMYK").save("c/cmyk.tif")
    np.save("c/rgb.npy", rgb)
    names = sorted(p.name for p in pathlib.Path("c").iterdir())
    for mode, pillow in (("rgb", "RGB"), ("bgr", "RGB"), ("gray", "L")):
        pack("c", "out.npy", "--mode", mode)
        x = np.load("out.npy")
        for i, name in enumerate(names):
            image = Image.fromarray(rgb) if name.endswith("npy") else Image.open(f"c/{name}")
            wanted = np.asarray(image.convert(pillow)).reshape(20, 30, -1)
            wanted = wanted[:, :, ::-1] if mode == "bgr" else wanted
            assert (x[i] == wanted).all(), (name, mode, abs(x[i].astype(int) - wanted).max())
    # 16 bits give their upper byte, as OpenCV and Pillow's RGB have it.
    wide = random.integers(0, 65536, (20, 30), dtype="u2")
    Image.fromarray(wide).save("w.png")
    pack("w.png", "out.npy", "--mode", "gray")
    assert (np.load("out.npy")[0, :, :, 0] == wide >> 8).all()
    pack("w.png", "out.npy", "--mode", "keep", "--normalize", "0..1")
    assert (np.load("out.npy")[0, :, :, 0] == (wide / 65535).astype("f4")).all()


def lossy_pictures_are_close_to_pillows():
    smooth = picture(90, 121, smooth=True)
    gray = Image.fromarray(smooth).convert("L")
    for name, image, more in (("j.jpg", Image.fromarray(smooth), {}), ("p.jpg", Image.fromarray(smooth), {"progressive": True}),
                              ("g.jpg", gray, {}), ("k.jpg", Image.fromarray(smooth).convert("CMYK"), {}),
                              ("w.webp", Image.fromarray(smooth), {"quality": 90})):
        image.save(name, **more)
        pack(name, "out.npy")
        off = abs(np.load("out.npy")[0].astype(int) - np.asarray(Image.open(name).convert("RGB")))
        assert off.max() <= 8 and off.mean() < 0.7, (name, off.max(), off.mean())


def pictures_are_put_upright():
    stored = picture(16, 24, smooth=True)
    for orientation in range(1, 9):
        for ending in ("png", "tif", "webp", "jpg"):
            exif = Image.Exif()
            exif[0x0112] = orientation
            more = {"lossless": True} if ending == "webp" else {"quality": 100, "subsampling": 0} if ending == "jpg" else {}
            Image.fromarray(stored).save(f"o.{ending}", exif=exif, **more)
            pack(f"o.{ending}", "out.npy", "--resize", "16x16")
            image = ImageOps.exif_transpose(Image.open(f"o.{ending}"))
            wanted = np.asarray(image.resize((16, 16), Image.BILINEAR)).astype(int)
            most = 4 if ending == "jpg" else 1
            assert abs(np.load("out.npy")[0] - wanted).max() <= most, (ending, orientation)


def numbers_are_those_of_numpy():
    for i in range(7):
        save(f"n/{i}.png", picture(30, 40))
    pack("n", "out.npy")
    raw = np.load("out.npy")
    unit = raw / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for how, wanted in (("0..1", unit), ("-1..1", (unit - 0.5) / 0.5), ("imagenet", (unit - mean) / std),
                        ("0.1:0.7", (unit - 0.1) / 0.7), ("0.1,0.2,0.3:1,2,3", (unit - [0.1, 0.2, 0.3]) / [1, 2, 3])):
        for dtype in ("f4", "f2"):
            pack("n", "out.npy", "--normalize", how, "--dtype", {"f4": "f32", "f2": "f16"}[dtype])
            x = np.load("out.npy")
            assert x.dtype == dtype and (x == wanted.astype(dtype)).all(), (how, dtype)
    pack("n", "out.npy", "--normalize", "imagenet", "--mode", "bgr", "--layout", "nchw")
    assert (np.load("out.npy") == ((unit - mean) / std)[..., ::-1].transpose(0, 3, 1, 2).astype("f4")).all()
    pack("n", "out.npz", "--normalize", "dataset")
    z = np.load("out.npz")
    mean, std = unit.mean((0, 1, 2)), unit.std((0, 1, 2))
    assert np.allclose(z["mean"], mean, rtol=1e-14) and np.allclose(z["std"], std, rtol=1e-12), (z["mean"], mean)
    assert (z["x"] == ((unit - z["mean"]) / z["std"]).astype("f4")).all()
    assert abs(z["x"].mean((0, 1, 2), dtype="f8")).max() < 1e-6


def archives_are_those_of_savez():
    for i in range(12):
        save(f"s/{'cat' if i % 3 else 'déjà vu'}/{i:02}.png", picture(8, 9))
    wanted = np.array([0 if n < 8 else 1 for n in range(12)])
    for more in ([], ["--compress"]):
        pack("s", "out.npz", "--labels", "folders", *more)
        z = np.load("out.npz")
        assert sorted(z.files) == ["classes", "x", "y"] and z["x"].shape == (12, 8, 9, 3), z.files
        assert (z["y"] == wanted).all() and z["y"].dtype == np.int64
        assert z["classes"].tolist() == ["cat", "déjà vu"]
        assert zipfile.ZipFile("out.npz").testzip() is None
        assert [p["label"] for p in map(json.loads, open("out.manifest.jsonl"))] == ["cat"] * 8 + ["déjà vu"] * 4
        pack("s", "out2.npz", "--labels", "folders", "--one-hot=3", *more)
        assert (np.load("out2.npz")["y"] == np.eye(3, dtype="f4")[wanted]).all()
    pack("s", "out.npy", "--labels", "folders")
    assert (np.load("out-labels.npy") == wanted).all()
    x = np.load("out.npy")
    names = sorted(pathlib.Path("s").rglob("*.png"))
    assert all((x[i] == np.asarray(Image.open(name))).all() for i, name in enumerate(names))


def splits_hold_every_picture_once():
    with open("list.txt", "w") as f:
        for i in range(60):
            save(f"p/{i:02}.png", np.full((4, 5, 3), i, "u1"))
            f.write(f"{i:02}.png {i}\n")
    shares = ["--split", "train=0.6,val=0.2,test=0.2", "--seed", 3]
    seen = {}
    for more in ([], ["--compress"]):
        pack("--list", "list.txt", "p", "out.npz", *shares, *more)
        z = np.load("out.npz")
        for part in ("train", "val", "test"):
            assert (z[f"x_{part}"][:, 0, 0, 0] == z[f"y_{part}"]).all()
            assert seen.setdefault(part, z[f"y_{part}"].tolist()) == z[f"y_{part}"].tolist()
    assert sorted(sum(seen.values(), [])) == list(range(60)) and len(seen["train"]) > 25
    pack("--list", "list.txt", "p", "out.npy", *shares, "--manifest", "out.csv")
    for line in csv.DictReader(open("out.csv")):
        x = np.load(f"out-{line['split']}.npy", mmap_mode="r")
        assert x[int(line["row"]), 0, 0, 0] == int(line["label"]) and line["status"] == "packed"
    assert np.load("out-val-labels.npy").tolist() == seen["val"]


def bad_pictures_are_left_out():
    import hashlib

    for i in range(30):
        save(f"b/{i:02}.png", np.full((6, 7, 3), i, "u1"))
        if i in (0, 7, 8, 29):
            whole = pathlib.Path(f"b/{i:02}.png").read_bytes()
            pathlib.Path(f"b/{i:02}.png").write_bytes(whole[:40] if i else b"not a picture")
    good = [i for i in range(30) if i not in (0, 7, 8, 29)]
    for name in ("out.npy", "out.npz"):
        for more in ([], ["--compress"]) if name == "out.npz" else ([],):
            error = pack("b", name, code=1)
            assert "00.png" in error and not list(pathlib.Path(".").glob("*out*")), error
            pack("b", name, "--on-bad-image", "skip", *more, code=4)
            x = np.load(name) if name == "out.npy" else np.load(name)["x"]
            assert x[:, 0, 0, 0].tolist() == good and x.shape == (26, 6, 7, 3), x[:, 0, 0, 0]
            lines = [json.loads(line) for line in open("out.manifest.jsonl")]
            assert [line["row"] for line in lines if line["row"] is not None] == list(range(26))
            assert [i for i, line in enumerate(lines) if line["status"] == "skipped"] == [0, 7, 8, 29]
            for line in lines:
                assert line["sha256"] == hashlib.sha256(pathlib.Path("b", line["path"]).read_bytes()).hexdigest()


def pictures_are_read_as_images():
    for name, array in (("r.png", picture(50, 60)), ("r.bmp", picture(50, 60)), ("r.webp", picture(50, 60))):
        save(name, array, **({"lossless": True} if name.endswith("webp") else {}))
        pathlib.Path("r.npy").unlink(missing_ok=True)
        outcrop("convert", name, "r.npy", "-q")
        assert (np.load("r.npy") == array).all(), name
        stats = json.loads(outcrop("stats", name, "--json"))
        assert [c["sum"] for c in stats["channels"]] == array.sum((0, 1), dtype=int).tolist()
        outcrop("convert", name, "r.tif", "--overwrite", "--window", "3,4,20,30", "--channels", "3,1,2", "-q")
        assert (np.asarray(Image.open("r.tif")) == array[4:34, 3:23][:, :, [2, 0, 1]]).all(), name
        info = json.loads(outcrop("info", name, "--json"))["image"]
        assert (info["height"], info["width"], info["channels"]) == (50, 60, 3)


def files_cut_short_are_never_read():
    image = Image.fromarray(picture(40, 50))
    for name, kind in (("a.bmp", image), ("p.bmp", image.quantize(20)), ("1.bmp", image.convert("1")), ("a.jpg", image),
                       ("a.webp", image), ("a.png", image)):
        kind.save(f"cut-{name}")
        whole = pathlib.Path(f"cut-{name}").read_bytes()
        outcrop("checksum", f"cut-{name}")
        for part in (0.3, 0.6, 0.9):
            pathlib.Path(f"cut-{name}").write_bytes(whole[: int(len(whole) * part)])
            outcrop("checksum", f"cut-{name}", code=1)


def opencv_reads_the_same():
    import cv2

    save("v/a.png", picture(40, 50))
    pack("v", "out.npy", "--mode", "bgr")
    assert (np.load("out.npy")[0] == cv2.imread("v/a.png")).all()


CHECKS = [value for name, value in list(globals().items())
          if callable(value) and getattr(value, "__module__", None) == "__main__" and "_" in name]
with tempfile.TemporaryDirectory() as folder:
    import os

    os.chdir(folder)
    for check in CHECKS:
        try:
            check()
        except ImportError as error:
            print(f"skipped: {check.__name__}: {error}")
            continue
        print(f"ok: {check.__name__}")
