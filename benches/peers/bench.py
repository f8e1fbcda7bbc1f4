"""Runs commands side by side: [`Bench`], and what it does to the page cache before each run.
"""

import fnmatch
import json
import os
import pickle
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUTCROP = os.path.join(ROOT, "target/release/outcrop")
MEASURED = os.path.join(ROOT, "target/release/measured")
LIMITS = os.path.join(ROOT, "target/release/limits")
WORK = [sys.executable, "-W", "ignore", os.path.join(HERE, "work.py")]
MIB = 1 << 20
#: What outcrop may hold beside its budget (docs/memory.md), read beside its input (the system's files, its own libraries), and
#: have the disk read beside that (the system reads ahead).
BESIDE, OTHER_FILES, READ_AHEAD = 32 * MIB, MIB, 32 * MIB
#: What it may write beside its output: the answer, and lines of progress.
LINES = 64 << 10
#: After that many seconds of the whole run nothing is repeated, so that it ends within 25 minutes.
PATIENCE = 17 * 60
PIECE = 1 << 20
#: Seconds of its best run up to which a program that writes is run more often.
QUICK = 1.0


class Run:
    """What one run of a command took."""

    def __init__(self, command, timeout=240):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as took:
            self.error = None
            env = {**os.environ, "VIPS_CONCURRENCY": str(os.cpu_count()), "GDAL_NUM_THREADS": "ALL_CPUS", "GDAL_PAM_ENABLED": "NO"}
            command = [MEASURED, took.name, *command]
            child = subprocess.Popen(command, stdout=out, stderr=err, env=env, start_new_session=True)
            killer = threading.Timer(timeout, lambda: os.killpg(child.pid, signal.SIGKILL))
            killer.start()
            code = child.wait()
            killer.cancel()
            out.seek(0), err.seek(0)
            self.text = out.read().decode(errors="replace")
            self.stored = self.synced = None
            if code != 0:
                lines = err.read().decode(errors="replace").strip().splitlines() or [f"exit {code}"]
                self.error = lines[-1][:200]
                return
            took = json.load(took)
            self.wall, self.cpu, self.peak = took["seconds"], took["processor_seconds"], took["peak_kib"] / 1024
            self.io = took["io"]


def bounds_of(command):
    """What `--plan` says that a command of outcrop may take: MiB resident, bytes read and written (None where it does not say)."""
    answer = subprocess.run([*command, "--plan=json"], capture_output=True, text=True)
    if answer.returncode:
        raise ValueError(f"--plan: {answer.stderr.strip()[-200:]}")
    plans = [json.loads(line)["plan"] for line in answer.stdout.splitlines()]
    plans = [plan for some in plans for plan in (some if isinstance(some, list) else [some])]
    written = [plan["bytes_to_write"] for plan in plans]
    return {
        "peak": (max(plan["peak_bytes"] for plan in plans) + BESIDE) / MIB,
        "read": sum(plan["bytes_to_read"] * plan["passes_at_most"] for plan in plans),
        "written": None if None in written else sum(written),
    }


def breaches(run, bounds):
    """Where a run took more than its plan says."""
    if run.peak > bounds["peak"]:
        yield f"{run.peak:.1f} MiB resident, at most {bounds['peak']:.1f} planned"
    for what, key, beside in [("read", "rchar", OTHER_FILES), ("read", "read_bytes", READ_AHEAD), ("written", "wchar", len(run.text) + LINES)]:
        if bounds[what] is not None and run.io.get(key, 0) > bounds[what] + beside:
            yield f"{run.io[key]} bytes {what} ({key}), at most {bounds[what]} planned"


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.rows, self.starts = args, folder, [], {}
        #: Runs of outcrop that were held against their plan, and where one of them, or an answer, was wrong.
        self.held, self.faults = 0, []
        self.warmed = set()
        self.saved = os.path.join(folder, f"results-{args.size}-{args.runs}.pickle")
        if args.resume and os.path.exists(self.saved):
            with open(self.saved, "rb") as f:
                self.rows, self.starts, self.held, self.faults = pickle.load(f)
        self.side = {"small": 5000, "full": 20000}[args.size]
        self.begun = time.monotonic()

    def path(self, name):
        return os.path.join(self.folder, name)

    def wanted(self, work):
        only = self.args.only
        return not only or only in work or fnmatch.fnmatch(work, only)

    def need(self, *names):
        """Makes data that is not there yet, and has it in the page cache as reading it from disk leaves it. Its paths."""
        missing = [n for n in names if not os.path.exists(self.path(n))]
        if missing:
            subprocess.check_call([sys.executable, os.path.join(HERE, "data.py"), self.folder, str(self.side), *missing])
        for name in names:
            if os.path.isfile(self.path(name)):
                if name not in self.warmed:
                    evict(self.path(name))
                    self.warmed.add(name)
                read_all(self.path(name))
        return [self.path(n) for n in names]

    def compare(self, work, commands, needs=(), limit=None, output=None, check=None, cold=None, writes=0):
        """Runs `commands` ({who: command}) in turn and keeps the medians.

        A peer that is far behind is not run again. `writes` bytes of the page cache are taken and given back before
        each run, so that none pays for memory that another has given back to the host of a virtual machine. That does not always
        hit the same pages: programs that write and are quick are run three times as often.
        """
        if not self.wanted(work) or any(row.work == work for row in self.rows):
            return
        print(work, file=sys.stderr)
        try:
            self.need(*needs)
        except subprocess.CalledProcessError as e:
            self.fault(f"{work}: no data: {e}")
            return
        bounds = None
        if "outcrop" in commands and commands["outcrop"][1] not in ("info", "--help"):
            try:
                bounds = bounds_of(commands["outcrop"])
            except (ValueError, KeyError, OSError) as e:
                self.fault(f"{work}: {e}")
        results = {who: [] for who in commands}
        failed, wrong, limits = {}, {}, []
        for turn in range(3 * self.args.runs if writes else self.args.runs):
            # Shuffled after the first turn: what a run leaves to the next is nobody's lot alone.
            order = list(commands.items())
            if turn:
                random.Random(turn).shuffle(order)
            for who, command in order:
                mine = results[who]
                if turn >= self.args.runs and mine and min(run.wall for run in mine) > QUICK:
                    continue
                if who in failed or turn and self.is_enough(who, results):
                    continue
                remove(output)
                if writes:
                    prime(self.path("prime"), writes)
                if cold:
                    evict(cold)
                run = Run(command)
                if run.error:
                    if who == "outcrop":
                        self.fault(f"{work}: outcrop failed: {run.error}")
                    failed[who] = run.error
                    print(f"   {who} failed: {run.error}", file=sys.stderr)
                    continue
                if output and os.path.exists(output):
                    run.stored, run.synced = os.path.getsize(output), sync(output)
                mine.append(run)
                if who == "outcrop" and bounds:
                    self.held += 1
                    for said in breaches(run, bounds):
                        self.fault(f"{work}: {said}")
                if turn > 0 or not check:
                    continue
                ours = results["outcrop"][0].text if who != "outcrop" and results.get("outcrop") else None
                try:
                    said = check(work, ours, run.text)
                except (ValueError, LookupError, TypeError, OSError) as e:
                    said = f"not understood: {e!r}"
                if said and who == "outcrop":
                    self.fault(f"{work}: outcrop is wrong: {said}")
                elif said:
                    wrong[who] = said
                    print(f"   {who} is wrong: {said}", file=sys.stderr)
            if limit and (turn == 0 or not self.late()):
                try:
                    limits.append(limit())
                except (subprocess.SubprocessError, ValueError, OSError) as e:
                    print("   no limit:", e, file=sys.stderr)
                    limit = None
        remove(output)
        self.keep(report.Row(work, commands, results, failed, wrong, statistics.median(limits) if limits else None, bool(cold)))

    def gain(self, work, command, limit, needs=(), output=None):
        """Times `command(threads)` and the plain library, `limit(threads)`, with one thread and with all, in turns: what slows the
        machine for a while slows all four."""
        counts = (1, os.cpu_count())
        names = {n: f"{work}, {n} thread{'s' * (n > 1)}" for n in counts}
        if not self.wanted(names[1]) or any(row.work == names[1] for row in self.rows):
            return
        print(work, file=sys.stderr)
        self.need(*needs)
        runs, limits = {n: [] for n in counts}, {n: [] for n in counts}
        for _ in range(2 * self.args.runs - 1):
            for n in counts:
                remove(output)
                run = Run(command(n))
                if run.error:
                    self.fault(f"{names[n]}: outcrop failed: {run.error}")
                    return
                runs[n].append(run)
                limits[n].append(limit(n))
        remove(output)
        for n in counts:
            self.keep(report.Row(names[n], {"outcrop": command(n)}, {"outcrop": runs[n]}, {}, {}, statistics.median(limits[n]), False))

    def keep(self, row):
        self.rows.append(row)
        row.show()
        with open(f"{self.saved}.part", "wb") as f:
            pickle.dump((self.rows, self.starts, self.held, self.faults), f)
        os.replace(f"{self.saved}.part", self.saved)

    def fault(self, said):
        """Notes what makes the whole run fail, at its end."""
        print("   FAULT:", said, file=sys.stderr)
        self.faults.append(said)

    def late(self):
        return time.monotonic() - self.begun > PATIENCE

    def is_enough(self, who, results):
        """Whether a peer is too far behind to be the fastest, or the whole run is late."""
        if self.late():
            return True
        best = min((r.wall for w, rs in results.items() for r in rs if w != "outcrop"), default=0)
        return who != "outcrop" and results[who] and results[who][0].wall > max(1.5 * best, 1.5)

    def start_up(self, who, command):
        """What a peer needs to start: subtracted from its times where ratios are taken."""
        if who in self.starts:
            return
        runs = [r for r in (Run(command) for _ in range(4)) if not r.error]
        if runs:
            self.starts[who] = min(r.wall for r in runs)


def remove(path):
    if path and os.path.isdir(path):
        shutil.rmtree(path)
    for p in [path, f"{path}.ovr", f"{path}.aux.xml"] if path else []:
        if os.path.exists(p):
            os.remove(p)


def read_all(path):
    with open(path, "rb", buffering=0) as f:
        buffer = bytearray(PIECE)
        while f.readinto(buffer):
            pass


def prime(path, size):
    """Fills that much of the page cache with a file that is removed at once."""
    piece = b"\1" * PIECE
    with open(path, "wb", buffering=0) as f:
        os.unlink(path)
        for _ in range(size // PIECE):
            f.write(piece)


def evict(path):
    """Takes a file out of the page cache; as root all files, where the system does not heed the first way."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        resident = int(subprocess.check_output(["fincore", "-bno", "RES", path], text=True))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return
    if resident > os.path.getsize(path) // 100 and os.access("/proc/sys/vm/drop_caches", os.W_OK):
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")


def disk_read(path):
    """Seconds that reading the file from disk takes with two threads and 1 MiB reads."""
    evict(path)
    size, start = os.path.getsize(path), time.monotonic()

    def part(begin, end):
        buffer, f = bytearray(PIECE), os.open(path, os.O_RDONLY)
        while begin < end:
            begin += max(1, os.preadv(f, [buffer], begin))
        os.close(f)

    threads = [threading.Thread(target=part, args=(size * i // 2, size * (i + 1) // 2)) for i in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return time.monotonic() - start


def sync(path):
    """Seconds until what a program has left behind is on disk."""
    start, f = time.monotonic(), os.open(path, os.O_RDONLY)
    os.fsync(f)
    os.close(f)
    return time.monotonic() - start


def limits(*args, one_cpu=False):
    """What benches/src/bin/limits.rs says."""
    pin = ["taskset", "-c", "0"] if one_cpu else []
    return json.loads(subprocess.check_output([*pin, LIMITS, *map(str, args)], timeout=240))
