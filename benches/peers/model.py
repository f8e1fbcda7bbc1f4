"""The section "One terapixel" of docs/benchmarks.md, from the rates of its tables.

A node is the machine that was measured. It works on a window of its own (`--window`), so that nodes share nothing but
storage: time = the slowest of computing, storage and network, plus the start of a process.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(ROOT, "docs/benchmarks.md")
HEADING, NEXT = "## One terapixel", "## All runs"
PIXELS = 1e12
NODES = [1, 4, 16, 64, 256, 1024]
# What is assumed, in bytes a second: a node's own NVMe disk; its link to a file system that all share, and the whole of that.
DISK_READ, DISK_WRITE = 3.0e9, 1.5e9
LINK, SHARED = 1.25e9, 100e9
# work: (row of the table, bytes of a decoded pixel, stored bytes per byte read, bytes written per byte read, what computing is)
WORKS = {
    "stats, raw": ("stats raw u8x3", 3, 1.0, 0.0, "memory bandwidth"),
    "mean, raw to f32": ("mean raw u8x3", 3, 1.0, 4 / 3, "memory bandwidth"),
    "stats, LZW": ("stats tiff lzw", 3, 0.6, 0.0, "decode"),
    "stats, Deflate": ("stats tiff deflate", 3, 0.5, 0.0, "decode"),
    "stats, ZSTD": ("stats tiff zstd", 3, 0.5, 0.0, "decode"),
    "stats, JPEG": ("stats tiff jpeg", 3, 0.1, 0.0, "decode"),
    "convert, none to ZSTD": ("convert to zstd", 3, 1.0, 0.5, "encode"),
    "pyramid, none to Deflate": ("pyramid deflate", 3, 1.0, 0.67, "encode"),
}


def measured(text):
    """The side of the images, and wall seconds and peak MiB of outcrop by row."""
    side = re.search(r"photograph-like: ([\d,]+) x \1 ", text)
    rows = re.findall(r"^\| ([^|]+) \| outcrop \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", text, re.M)
    if not side or not rows:
        sys.exit(f"model: no measurements in {TABLE} (./scripts/bench-peers)")
    return int(side[1].replace(',', '')), {name: (float(wall), float(peak)) for name, wall, peak in rows}


def span(seconds):
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def section(text):
    side, rows = measured(text)
    start = rows["--help"][0]
    lines = [
        HEADING, "",
        "A model, not a measurement; made by `benches/peers/model.py` from the tables of this page. The image has 10^12 pixels of three bytes: 3 TB. "
        "A node is the machine that was measured and works on a window of its own, so nodes share nothing but storage. Assumed: "
        f"a local NVMe disk of {DISK_READ / 1e9:g} GB/s reading and {DISK_WRITE / 1e9:g} GB/s writing; or one file system for all, {LINK / 1e9:g} GB/s "
        f"(10 Gbit/s) to a node and {SHARED / 1e9:g} GB/s in all; compressed files of 0.6 (LZW), 0.5 (Deflate, ZSTD) and 0.1 (JPEG) of the pixels. Rates include "
        f"starting the process, as images of {side:,} x {side:,} were measured: they are lower bounds.", "",
        "| work | GB/s of pixels, a node | storage | " + " | ".join(f"{n:,} node{'s' if n > 1 else ''}" for n in NODES) + " | bottleneck |",
        "|" + "---|" * (len(NODES) + 4),
    ]
    for work, (row, pixel, stored, written, computing) in WORKS.items():
        if row not in rows:
            continue
        rate = side * side * pixel / max(rows[row][0] - start, 1e-3)
        total = PIXELS * pixel
        for storage in ("local disk", "shared"):
            times, named = [], []
            for nodes in NODES:
                part = total / nodes
                if storage == "local disk":
                    moved = {"disk": part * (stored / DISK_READ + written / DISK_WRITE)}
                else:
                    moved = {
                        "network of the node": part * max(stored, written) / LINK,
                        "network file system": total * (stored + written) / SHARED,
                    }
                costs = {computing: part / rate, **moved}
                worst = max(costs, key=costs.get)
                times.append(span(costs[worst] + start))
                named.append(worst)
            turns = [f"{named[0]}"] + [f"{b} from {n:,}" for n, a, b in zip(NODES[1:], named, named[1:]) if a != b]
            shown = f"{rate / 1e9:.2f}" if storage == "local disk" else ""
            lines.append(f"| {work if shown else ''} | {shown} | {storage} | {' | '.join(times)} | {', '.join(turns)} |")
    peaks = [rows[row][1] for row, *_ in WORKS.values() if row in rows]
    lines += [
        "",
        f"Memory does not grow with the image: {min(peaks):.0f} to {max(peaks):.0f} MiB a node as measured, never more than `--memory`; "
        f"{max(peaks) * NODES[-1] / 1024:.0f} GiB on {NODES[-1]:,} nodes together. Counts, extrema and sums of windows add up exactly; a mean is their quotient. "
        "Percentiles, deviations and pyramids over several nodes have no command that joins them yet.",
    ]
    return lines


def within(text):
    """The tables with the section before the table of all runs, in the place of an older one."""
    end = text.index(NEXT)
    begin = text.find(HEADING)
    return text[: end if begin < 0 else begin] + "\n".join(section(text)) + "\n\n" + text[end:]


def main():
    with open(TABLE) as f:
        text = within(f.read())
    with open(TABLE, "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
