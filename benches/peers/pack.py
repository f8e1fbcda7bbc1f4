"""outcrop pack beside the usual loop over the same generated JPEGs; scripts/bench-pack runs it."""

import argparse
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

HEIGHT, WIDTH, SHORT, SIDE = 375, 500, 256, 224


def generate(folder, first, count):
    """Pictures with shapes, shading and some grain, about 50 KB each."""
    folder.mkdir(exist_ok=True)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype("f4")
    for n in range(first, first + count):
        random = np.random.default_rng(n)
        f = random.uniform(20, 90, 6)
        image = np.stack([127 + 60 * np.sin(x / f[k] + k) * np.cos(y / f[k + 3]) for k in range(3)], -1)
        for _ in range(12):
            centre = tuple(int(v) for v in random.uniform(0, 1, 2) * (WIDTH, HEIGHT))
            cv2.circle(image, centre, int(random.uniform(5, 80)), random.uniform(0, 255, 3).tolist(), -1, cv2.LINE_AA)
        image += random.normal(0, 6, image.shape)
        cv2.imwrite(str(folder / f"{n:05}.jpg"), image.clip(0, 255).astype("u1"), [cv2.IMWRITE_JPEG_QUALITY, 90])


def part(folder, output, names, first):
    """What a user writes, for a part of the pictures."""
    cv2.setNumThreads(1)
    x = np.load(output, mmap_mode="r+")
    for i, name in enumerate(names, first):
        image = cv2.imread(os.path.join(folder, name))
        h, w = image.shape[:2]
        size = (SHORT, h * SHORT // w) if w <= h else (w * SHORT // h, SHORT)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top, left = (size[1] - SIDE) // 2, (size[0] - SIDE) // 2
        x[i] = image[top : top + SIDE, left : left + SIDE].astype("f4") / 255
    x.flush()


def loop(folder, output):
    names = sorted(os.listdir(folder))
    np.lib.format.open_memmap(output, "w+", "f4", (len(names), SIDE, SIDE, 3)).flush()
    half = len(names) // 2
    jobs = [multiprocessing.Process(target=part, args=(folder, output, names[:half], 0)),
            multiprocessing.Process(target=part, args=(folder, output, names[half:], half))]
    [job.start() for job in jobs]
    [job.join() for job in jobs]
    assert all(job.exitcode == 0 for job in jobs)


def peak_mib(command):
    """Seconds and peak resident memory of a command and what it starts (the largest process)."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.perf_counter() - began, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--binary", default="target/release/outcrop")
    options.add_argument("--keep")
    options.add_argument("--loop", nargs=2, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.loop:
        return loop(*options.loop)
    place = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="bench-pack-"))
    place.mkdir(exist_ok=True)
    folder, output = place / "in", place / "out.npy"
    have = len(list(folder.glob("*.jpg"))) if folder.is_dir() else 0
    if have < options.images:
        step = -(-options.images // 2)
        jobs = [multiprocessing.Process(target=generate, args=(folder, first, min(step, options.images - first)))
                for first in range(0, options.images, step)]
        [job.start() for job in jobs]
        [job.join() for job in jobs]
    stored = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{options.images} JPEGs of {WIDTH} x {HEIGHT}, {stored / options.images / 1024:.0f} KiB each")
    ours = [options.binary, "pack", str(folder), str(output), "--resize", str(SHORT), "--crop", str(SIDE), "--filter",
            "area", "--mode", "bgr", "--normalize", "0..1", "-j", "2", "--memory", "200MiB", "-q"]
    theirs = [sys.executable, __file__, "--loop", str(folder), str(output)]
    times = {"outcrop": [], "loop": []}
    for _ in range(options.runs):
        for name, command in (("outcrop", ours), ("loop", theirs)):
            for old in place.glob("out*"):
                old.unlink()
            os.sync()
            seconds, mib, cpu = peak_mib(command)
            times[name].append(seconds)
            note = f", peak {mib:.0f} MiB" if name == "outcrop" else ""
            print(f"{name:8}{seconds:7.2f} s, {cpu:6.2f} s of processors{note}", flush=True)
    medians = {name: statistics.median(all) for name, all in times.items()}
    print(f"ratio {medians['loop'] / medians['outcrop']:.2f} (medians of {options.runs})")
    for old in place.glob("out*"):
        old.unlink()
    if not options.keep:
        subprocess.run(["rm", "-r", str(place)], check=True)


if __name__ == "__main__":
    main()
