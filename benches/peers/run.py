"""The driver of scripts/bench-peers: makes the data, runs outcrop and every peer in turn, writes docs/benchmarks.md.

Imports nothing large: a child's peak memory as the system reports it starts at its parent's.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUTCROP = os.path.join(ROOT, "target/release/outcrop")
LIMITS = os.path.join(ROOT, "target/release/limits")
WORK = [sys.executable, os.path.join(HERE, "work.py")]


def run_once(command, env=None):
    """Runs a command; returns (wall, cpu, peak MiB, exit code, stdout)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if child.returncode != 0:
            print("   failed:", err.read().decode(errors="replace").strip()[-300:], file=sys.stderr)
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode, out.read().decode()


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.rows = args, folder, []
        self.side = {"small": 5000, "full": 20000}[args.size]

    def path(self, name):
        return os.path.join(self.folder, name)

    def compare(self, work, commands, limit=None, outputs=(), check=None):
        """Runs `commands` ({who: command}) in turn, runs times each, and keeps the medians."""
        if self.args.only and self.args.only not in work:
            return
        print(work, file=sys.stderr)
        results = {who: [] for who in commands}
        limits = []
        answers = {}
        for turn in range(self.args.runs + 1):
            for who, command in list(commands.items()):
                for o in outputs:
                    shutil.rmtree(o, ignore_errors=True) if os.path.isdir(o) else os.path.exists(o) and os.remove(o)
                r = run_once(command, {"VIPS_CONCURRENCY": str(os.cpu_count())})
                if r[3] != 0:
                    del commands[who], results[who]
                    continue
                answers[who] = r[4]
                if turn:
                    results[who].append(r)
            if limit and turn:
                limits.append(limit())
        wrong = check(work, answers) if check else set()
        floor = statistics.median(limits) if limits else None
        for who, rs in results.items():
            median = [statistics.median(r[i] for r in rs) for i in range(3)]
            name = f"{who} (wrong answer)" if who in wrong else who
            self.rows.append((work, name, *median, floor, shlex.join(commands[who])))
            print(f"   {who:10} {median[0]:8.3f} s  cpu {median[1]:8.2f}  {median[2]:7.0f} MiB"
                  + (f"  limit {floor:.3f} s" if floor else ""), file=sys.stderr)


def means_agree(work, answers):
    """Who does not name the means that outcrop (and NumPy, where it runs) names, to six digits."""
    means = {}
    for who, text in answers.items():
        if who.startswith("outcrop"):
            means[who] = [c["mean"] for c in json.loads(text)["channels"]]
        else:
            means[who] = json.loads(text)
    right = means.get("numpy", means["outcrop"])
    wrong = {who for who, m in means.items() if any(abs(a - b) > 1e-6 * max(1, abs(a)) for a, b in zip(right, m))}
    for who in wrong:
        print(f"   {who} disagrees: {means[who]}, not {right}", file=sys.stderr)
    if "outcrop" in wrong:
        sys.exit(f"{work}: outcrop is wrong")
    return wrong


def limit_memory(path, key):
    return lambda: json.loads(subprocess.check_output([LIMITS, "memory", path]))[key]


def limit_decode(path):
    return lambda: json.loads(subprocess.check_output([LIMITS, "decode", path]))["seconds"]


def make_data(b):
    """Octave noise, gradients and sensor noise, as raw files and TIFFs of every codec (written by tifffile)."""
    subprocess.check_call([sys.executable, os.path.join(HERE, "data.py"), b.folder, str(b.side)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--size", choices=["small", "full"], default="small")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--only", help="only work whose name contains this")
    p.add_argument("--keep", help="folder for the data, kept")
    args = p.parse_args()
    folder = args.keep or tempfile.mkdtemp(prefix="outcrop-bench.")
    os.makedirs(folder, exist_ok=True)
    try:
        b = Bench(args, folder)
        make_data(b)
        measure(b)
        write(b)
    finally:
        if not args.keep:
            shutil.rmtree(folder)


def measure(b):
    n = b.side
    kinds = {"u8x3": ("u1", 3), "u16x8": ("<u2", 8), "f32": ("<f4", 1)}
    for name, (dtype, c) in kinds.items():
        h = n // 2 if name == "u16x8" else n
        path, shape = b.path(f"{name}.raw"), f"{h},{n},{c}"
        ours = ["--shape", shape, "--dtype", {"u1": "uint8"}.get(dtype, dtype)]
        theirs = [path, f"shape={shape}", f"dtype={dtype}"]
        b.compare(f"stats raw {name}", {
            "outcrop": [OUTCROP, "stats", path, *ours, "--json"],
            "libvips": [*WORK, "libvips", "stats", *theirs],
            "numpy": [*WORK, "numpy", "stats", *theirs],
            "dask": [*WORK, "dask", "stats", *theirs],
        }, limit_memory(path, "read_seconds"), check=means_agree)
        out = [b.path("o.raw"), b.path("o.npy")]
        b.compare(f"mean raw {name}", {
            "outcrop": [OUTCROP, "mean", path, out[0], *ours, "--overwrite"],
            "libvips": [*WORK, "libvips", "mean", path, out[0], *theirs[1:]],
            "numpy": [*WORK, "numpy", "mean", path, out[1], *theirs[1:]],
        }, limit_memory(path, "copy_seconds"), out)
        if name != "u8x3":
            b.compare(f"percentiles raw {name}", {
                "outcrop": [OUTCROP, "stats", path, *ours, "--percentiles", "50", "--json"],
                "numpy": [*WORK, "numpy", "percentiles", *theirs],
            })
    for codec in ["none", "lzw", "deflate", "zstd", "jpeg", "zstd-planar-u16x8", "f32-p3-tiled", "f32-p3-strips"]:
        path = b.path(f"{codec}.tif")
        direct = codec in ("deflate", "zstd", "jpeg")
        b.compare(f"stats tiff {codec}", {
            "outcrop": [OUTCROP, "stats", path, "--json"],
            "libvips": [*WORK, "libvips", "stats", path],
            "gdal": [*WORK, "gdal", "stats", path],
        }, limit_decode(path) if direct else None, check=None if codec == "jpeg" else means_agree)
    middle = n // 2 - 512
    b.compare("window 1024 of tiff deflate", {
        "outcrop": [OUTCROP, "stats", b.path("deflate.tif"), "--window", f"{middle},{middle},1024,1024", "--json"],
        "libvips": [*WORK, "libvips", "window", b.path("deflate.tif"), f"window={middle},{middle},1024"],
        "gdal": [*WORK, "gdal", "window", b.path("deflate.tif"), f"window={middle},{middle},1024"],
    }, check=means_agree)
    source, out = b.path("none.tif"), b.path("o.tif")
    for codec, level in [("none", None), ("lzw", None), ("deflate", 6), ("zstd", 3), ("jpeg", None)]:
        options = [f"codec={codec}", *([f"level={level}"] if level else [])]
        name = {"deflate": "ZLEVEL", "zstd": "ZSTD_LEVEL"}.get(codec)
        creation = ["TILED=YES", f"COMPRESS={codec.upper()}", *([f"{name}={level}"] if level else [])]
        b.compare(f"convert to {codec}", {
            "outcrop": [OUTCROP, "convert", source, out, *(x for o in creation for x in ("--co", o))],
            "libvips": [*WORK, "libvips", "convert", source, out, *options],
            "gdal": [*WORK, "gdal", "convert", source, out, *options],
        }, outputs=[out])
    b.compare("pyramid deflate", {
        "outcrop": [OUTCROP, "pyramid", source, out, "--co", "COMPRESS=DEFLATE", "--co", "ZLEVEL=6"],
        "libvips": [*WORK, "libvips", "convert", source, out, "codec=deflate", "level=6", "pyramid=1"],
        "gdal": [*WORK, "gdal", "convert", source, out, "codec=deflate", "level=6", "pyramid=1"],
    }, outputs=[out])
    b.compare("info of a million blocks", {"outcrop": [OUTCROP, "info", b.path("million.tif")]})
    b.compare("--help", {"outcrop": [OUTCROP, "--help"]})


def version(command, pattern):
    try:
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return re.search(pattern, text).group(1)
    except (OSError, AttributeError):
        return "absent"


def write(b):
    if b.args.only:
        print("(docs/benchmarks.md is left as it is: --only)", file=sys.stderr)
        return
    packages = subprocess.check_output([sys.executable, "-m", "pip", "freeze"], text=True)
    wanted = ("numpy", "tifffile", "dask", "pyvips", "rasterio", "tensorstore")
    versions = [line for line in packages.split() if line.split("=")[0].split("_")[0].split("-")[0].lower() in wanted]
    cpu = version(["lscpu"], r"Model name:\s*(.*)")
    ours = version([OUTCROP, "--version"], r"(\S+)$")
    lines = [
        "# Benchmarks", "",
        f"Made by `./scripts/bench-peers --size {b.args.size} --runs {b.args.runs}`: {b.side} x {b.side} images, page cache warm, medians, all "
        "in one run on one machine. Times include starting the process (a Python interpreter for the peers that are libraries).", "",
        f"Machine: {os.cpu_count()} CPUs of {cpu}, Linux {platform.release()}. "
        f"outcrop {ours}; {', '.join(versions)}.", "",
        "| work | who | wall s | CPU s | peak MiB | fastest peer / outcrop | limit / outcrop |", "|---|---|---|---|---|---|---|",
    ]
    for work in dict.fromkeys(r[0] for r in b.rows):
        rows = [r for r in b.rows if r[0] == work]
        peers = [r[2] for r in rows if r[1] != "outcrop" and "wrong" not in r[1]]
        for r in rows:
            ours = r[1] == "outcrop"
            ratio = f"**{min(peers) / r[2]:.2f}**" if ours and peers else ""
            limit = f"{r[5] / r[2]:.2f}" if ours and r[5] else ""
            lines.append(f"| {work} | {r[1]} | {r[2]:.3f} | {r[3]:.2f} | {r[4]:.0f} | {ratio} | {limit} |")
    lines += ["", "## Commands", "", "```"]
    for r in b.rows:
        lines.append(r[6].replace(b.folder + "/", "").replace(ROOT + "/target/release/", "").replace(WORK[0], "python").replace(HERE + "/", "benches/peers/"))
    lines += ["```", ""]
    table, notes = (os.path.join(ROOT, "docs", name) for name in ("benchmarks.md", "benchmarks-notes.md"))
    with open(table, "w") as f:
        f.write("\n".join(lines) + "\n")
    # The model of a terapixel in the notes follows the figures.
    subprocess.run([sys.executable, os.path.join(HERE, "model.py")], check=True)
    with open(table, "a") as f, open(notes) as more:
        f.write(more.read())


main()
