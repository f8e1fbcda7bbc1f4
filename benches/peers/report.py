"""What bench-peers says: a line per command while it runs, and docs/benchmarks.md."""

import fnmatch
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys

#: Most that outcrop may use in MiB, and what a file may be larger than the smallest peer's.
BUDGET_MIB, LARGER = 256, 1.03


class Row:
    """One work: the runs of each who, and the medians."""

    def __init__(self, work, commands, results, failed, wrong, limit, cold):
        self.work, self.commands, self.results = work, commands, results
        self.failed, self.wrong, self.limit, self.cold = failed, wrong, limit, cold

    def median(self, who, what):
        values = [getattr(r, what) for r in self.results.get(who, [])]
        values = [v for v in values if v is not None]
        return statistics.median(values) if values else None

    def peers(self):
        """Those with the right answer."""
        return [w for w, rs in self.results.items() if rs and w != "outcrop" and w not in self.wrong]

    def fastest(self, starts):
        """The peer that is fastest once its start-up is taken off, and that time."""
        times = self.times(starts)
        who = min(times, key=times.get, default=None)
        return who, times.get(who)

    def on_disk(self, starts):
        """The same time over outcrop's with the output on disk for both; nothing for a work without output."""
        synced = {w: self.median(w, "synced") for w in self.results}
        if synced.get("outcrop") is None:
            return None
        times = [time + synced[w] for w, time in self.times(starts).items() if synced[w] is not None]
        return min(times, default=0) / (self.median("outcrop", "wall") + synced["outcrop"]) or None

    def times(self, starts):
        off = {} if self.work in ("--help", "info of a million blocks") else starts
        return {w: max(self.median(w, "wall") - off.get(w, 0), self.median(w, "wall") / 10) for w in self.peers()}

    def show(self):
        for who, runs in self.results.items():
            if runs:
                print(f"   {who:20} {self.median(who, 'wall'):8.3f} s  cpu {self.median(who, 'cpu'):8.2f}  {self.median(who, 'peak'):7.0f} MiB"
                      + f"  x{len(runs)}", file=sys.stderr)
        if self.limit:
            print(f"   {'limit':20} {self.limit:8.3f} s", file=sys.stderr)


def verdict(found, wanted):
    """`1.30 (1.2: met)`."""
    if found is None:
        return ""
    if wanted is None:
        return f"{found:.2f}"
    return f"{found:.2f} ({wanted:g}: {'met' if found >= wanted else '**not met**'})"


def summary(b, row, targets):
    """The line of a work: outcrop against the fastest peer, the limit, and the smallest peer."""
    ours = row.median("outcrop", "wall")
    if ours is None:
        return f"| {row.work} | failed | | | | | |"
    factor, share = next((t for pattern, t in targets.items() if fnmatch.fnmatch(row.work, pattern)), (None, None))
    who, time = row.fastest(b.starts)
    if who and row.work.startswith(("convert", "pyramid")) and row.work != "convert to none" and row.median(who, "cpu") < 1.1 * row.median(who, "wall"):
        factor = 3
    durable = row.on_disk(b.starts)
    # The target of means is one of outputs on disk.
    plain, on_disk = (None, factor) if row.work.startswith("mean") else (factor, None)
    ratio = verdict(time / ours, plain) + (f", on disk {verdict(durable, on_disk)}" if durable else "") if who else ""
    limit = verdict(row.limit / ours, share) if row.limit else ""
    memory = size = ""
    if who:
        smallest = min(row.median(w, "peak") for w in row.peers())
        allowed = smallest / 5 if smallest > 300 else smallest
        peak = row.median("outcrop", "peak")
        memory = f"{peak:.0f} of {allowed:.0f}: {'met' if peak <= min(allowed, BUDGET_MIB) else '**not met**'}"
        stored = [row.median(w, "stored") for w in row.peers() if row.median(w, "stored")]
        mine = row.median("outcrop", "stored")
        if stored and mine:
            size = f"{mine / min(stored):.3f}: {'met' if mine <= LARGER * min(stored) else '**not met**'}"
    return f"| {row.work} | {seconds(ours)} | {who or ''} | {ratio} | {limit} | {memory} | {size} |"


def seconds(value):
    return "" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def details(row):
    for who, command in row.commands.items():
        if who in row.failed and not row.results.get(who):
            yield f"| {row.work} | {who} | failed: {row.failed[who].replace('|', '/')} | | | | | |"
            continue
        if not row.results.get(who):
            continue
        name = f"{who} (wrong: {row.wrong[who]})" if who in row.wrong else who
        stored, synced = row.median(who, "stored"), row.median(who, "synced")
        limit = seconds(row.limit) if who == "outcrop" else ""
        yield (f"| {row.work} | {name} | {seconds(row.median(who, 'wall'))} | {row.median(who, 'cpu'):.2f} | {row.median(who, 'peak'):.0f} "
               f"| {f'{stored / 1e6:.0f}' if stored else ''} | {seconds(synced)} | {limit} | {len(row.results[who])} |")


def version(command, pattern):
    try:
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return re.search(pattern, text).group(1)
    except (OSError, AttributeError):
        return "absent"


def versions(outcrop):
    packages = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True).stdout
    wanted = ("numpy", "tifffile", "zarr", "dask", "pyvips", "rasterio")
    from_pypi = [line for line in packages.split() if line.split("=")[0].split("_")[0].split("-")[0].lower() in wanted]
    debian = {
        "vips": version(["vips", "--version"], r"vips-(\S+)"),
        "GDAL": version(["gdalinfo", "--version"], r"GDAL (\S+),"),
        "ImageMagick": version(["/usr/bin/convert", "--version"], r"ImageMagick (\S+)"),
    }
    ours = version([outcrop, "--version"], r"(\S+)$")
    return (f"outcrop {ours}; from PyPI {', '.join(from_pypi)}; "
            f"from Debian {', '.join(f'{n} {v}' for n, v in debian.items())}")


def commit(root):
    return version(["git", "-C", root, "rev-parse", "--short", "HEAD"], r"(\S+)")


def memory_table(root):
    """The table of docs/memory.md, between its marks; nothing where it has none."""
    with open(os.path.join(root, "docs/memory.md")) as f:
        text = f.read()
    begin, end = text.find("<!-- table -->"), text.find("<!-- /table -->")
    if not 0 <= begin < end:
        return []
    table = text[begin + len("<!-- table -->") : end].strip().splitlines()
    return ["## Peak memory", "", "MiB resident at most, by budget and threads; from [memory.md](memory.md), which says how it was measured.", "", *table, ""]


def document(b):
    from bench import HERE, OUTCROP, ROOT, WORK
    from works import TARGETS

    b.rows = [r for r in b.rows if any(r.results.values()) or r.failed]
    per_pixel = [r for r in b.rows if r.work.endswith(" megapixels")]
    threads = [r for r in b.rows if r.work.endswith((" thread", " threads"))]
    works = [r for r in b.rows if r not in per_pixel and r not in threads]
    n, cpu = b.side, version(["lscpu"], r"Model name:\s*(.*)")
    lines = [
        "# Benchmarks", "",
        f"Made by `./scripts/bench-peers --size {b.args.size} --runs {b.args.runs}`, all in one run on one machine. What was tried to "
        "get here is [at the end](#what-was-tried-row-by-row). Peak memory by budget, threads and size of the image: [memory.md](memory.md).", "",
        f"Machine: {os.cpu_count()} CPUs of {cpu}, Linux {platform.release()}. "
        f"{versions(OUTCROP)}. Commit {commit(ROOT)}.", "",
        f"Images are photograph-like: {n:,} x {n:,} x 3 of u8 (`u8x3`, and every TIFF that says no type), {n // 4:,} x {n:,} x 8 of u16 "
        f"(`u16x8`), {n:,} x {n:,} of f32. TIFFs have tiles of 512 x 512 and predictor 2 where the codec takes one.", "",
        "- The page cache is warm, as reading each input from disk once, in order, leaves it; except where a work is called *cold*: its "
        "input was then taken out of the page cache before each run.",
        "- Times are medians of whole processes. A peer that took more than 1.5 times the fastest peer's time in its first run was not run "
        "again. *libvips*, *gdal*, *numpy* and *dask* are the current libraries from PyPI under a Python interpreter "
        "(`benches/peers/work.py`), *(Debian)* are the distribution's command-line programs.",
        "- Ratios take the start-up of a peer (the interpreter, the imports) off its time, and nothing off outcrop's; not where "
        "starting is the work.",
        "- outcrop has its output on disk when it ends (fsync); the peers leave theirs in the page cache, which counts for them. What an "
        "fsync after the program took is in the last table (*on disk s*), and in the ratio that is called *on disk*: there both have their output on "
        "disk. The target of means, which says so, is held against that one.",
        "- Before each run that writes, as many bytes of the page cache as it will write are taken and given back, so that no program pays "
        "for memory that the one before gave back to the host of a virtual machine. The pages that it gets may still be others: programs "
        "that write and take less than a second are run three times as often, shuffled.",
        "- Every answer is checked: means, percentiles, pixels and levels of outputs. Who is wrong is no peer in the ratios.",
        f"- {b.held} runs of outcrop were held against what `--plan` says of the same command: memory resident, bytes read and bytes written. "
        + ("None took more." if not b.faults else "**Faults: " + "; ".join(b.faults) + ".**"), "",
        "## Against the targets", "",
        "In brackets the target: the fastest peer's time over outcrop's, and the limit's over outcrop's. *peak MiB*: outcrop's, and what "
        f"it may be (a fifth of the smallest peer's where that is over 300, else that; and {BUDGET_MIB}). *size*: the output's over the smallest "
        f"peer's, at most {LARGER}.", "",
        "| work | outcrop s | fastest peer | peer / outcrop | limit / outcrop | peak MiB | size |", "|---|---|---|---|---|---|---|",
        *(summary(b, row, TARGETS) for row in works), "",
        "The limit is: for *stats* of uncompressed samples reading them from memory on all CPUs; for *mean* and *convert to none* reading the input and "
        "writing the output by memcpy to a mapped file; for codecs the plain library over the same blocks on all CPUs (libdeflate, zstd, "
        "weezl, zune-jpeg, jpeg-encoder) and a plain loop for the predictor, for the pyramid over those of all levels; for *cold* works reading the file from disk, or decoding it where that is slower.", "",
    ]
    if b.starts:
        lines += ["Start-up of peers, taken off in ratios: " + ", ".join(f"{w} {seconds(s)} s" for w, s in b.starts.items()) + ".", ""]
    if per_pixel:
        lines += ["## Time per pixel", "",
                  "`stats` of ZSTD TIFFs of growing size. Their tables of tiles name the same 64 tiles again and again, so that the largest (30 GB "
                  "decoded) is beyond memory without a disk to hold it: the decoding is real, the reading comes from the page cache.", "",
                  "| image | s | ns per pixel | peak MiB |", "|---|---|---|---|"]
        for row in per_pixel:
            wall, pixels = row.median("outcrop", "wall"), float(row.work.split()[0].replace(",", "")) * 1e6
            if wall:
                lines.append(f"| {row.work} | {seconds(wall)} | {wall / pixels * 1e9:.2f} | {row.median('outcrop', 'peak'):.0f} |")
        lines.append("")
    if threads:
        lines += ["## Gain from 1 thread to all", "", "| work | outcrop | plain library | share of it (0.97) |", "|---|---|---|---|"]
        for one, all_ in zip(threads[::2], threads[1::2]):
            times = [r.median("outcrop", "wall") for r in (one, all_)]
            if None in (*times, one.limit, all_.limit):
                continue
            gain, plain = times[0] / times[1], one.limit / all_.limit
            lines.append(f"| {one.work.rsplit(',', 1)[0]} | {gain:.2f} | {plain:.2f} | {verdict(gain / plain, 0.97)} |")
        lines.append("")
    lines += memory_table(ROOT)
    lines += ["## All runs", "", "| work | who | wall s | CPU s | peak MiB | output MB | on disk s | limit s | runs |", "|---|---|---|---|---|---|---|---|---|"]
    for row in b.rows:
        lines += details(row)
    lines += ["", "## Commands", "", "```"]
    for row in b.rows:
        for who, command in row.commands.items():
            if len(command) > 1000:
                command = [*command[:3], "...", command[-1]]
            text = shlex.join(command).replace(b.folder + "/", "").replace(ROOT + "/target/release/", "")
            lines.append(text.replace(shlex.join(WORK), "python benches/peers/work.py").replace(HERE + "/", "benches/peers/"))
    return "\n".join([*lines, "```", ""])
