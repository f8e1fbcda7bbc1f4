"""Runs commands side by side: [`Bench`], and what it does to the page cache before each run.

Imports nothing large: a child's peak memory as the system reports it starts at its parent's.
"""

import fnmatch
import json
import os
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
LIMITS = os.path.join(ROOT, "target/release/limits")
WORK = [sys.executable, "-W", "ignore", os.path.join(HERE, "work.py")]
#: After that many seconds of the whole run nothing is repeated, so that it ends within 25 minutes.
PATIENCE = 17 * 60
PIECE = 1 << 20


class Run:
    """What one run of a command took."""

    def __init__(self, command, timeout=240):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.monotonic()
            self.error = None
            env = {**os.environ, "VIPS_CONCURRENCY": str(os.cpu_count()), "GDAL_NUM_THREADS": "ALL_CPUS", "GDAL_PAM_ENABLED": "NO"}
            try:
                child = subprocess.Popen(command, stdout=out, stderr=err, env=env, start_new_session=True)
            except OSError as e:
                self.error = str(e)
                return
            killer = threading.Timer(timeout, lambda: os.killpg(child.pid, signal.SIGKILL))
            killer.start()
            _, status, usage = os.wait4(child.pid, 0)
            killer.cancel()
            self.wall = time.monotonic() - start
            self.cpu, self.peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            self.text = out.read().decode(errors="replace")
            self.stored = self.synced = None
            if child.returncode != 0:
                lines = err.read().decode(errors="replace").strip().splitlines() or [f"exit {child.returncode}"]
                self.error = lines[-1][:200]


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.rows, self.starts = args, folder, [], {}
        self.side = {"small": 5000, "full": 20000}[args.size]
        self.begun = time.monotonic()

    def path(self, name):
        return os.path.join(self.folder, name)

    def wanted(self, work):
        only = self.args.only
        return not only or only in work or fnmatch.fnmatch(work, only)

    def need(self, *names):
        """Makes data that is not there yet, and reads it, so that it is in the page cache. Its paths."""
        missing = [n for n in names if not os.path.exists(self.path(n))]
        if missing:
            subprocess.check_call([sys.executable, os.path.join(HERE, "data.py"), self.folder, str(self.side), *missing])
        for name in names:
            if os.path.isfile(self.path(name)):
                read_all(self.path(name))
        return [self.path(n) for n in names]

    def compare(self, work, commands, needs=(), limit=None, output=None, check=None, cold=None, writes=0):
        """Runs `commands` ({who: command}) in turn and keeps the medians.

        A peer that is far behind is not run again. `writes` bytes of the page cache are taken and given back before
        each run, so that none pays for memory that another has given back to the host of a virtual machine.
        """
        if not self.wanted(work):
            return
        print(work, file=sys.stderr)
        try:
            self.need(*needs)
        except subprocess.CalledProcessError as e:
            print("   no data:", e, file=sys.stderr)
            return
        results = {who: [] for who in commands}
        failed, wrong, limits = {}, {}, []
        for turn in range(self.args.runs):
            for who, command in commands.items():
                mine = results[who]
                if who in failed or turn and self.is_enough(who, results):
                    continue
                remove(output)
                if writes:
                    prime(self.path("prime"), writes)
                if cold:
                    evict(cold)
                run = Run(command)
                if run.error:
                    failed[who] = run.error
                    print(f"   {who} failed: {run.error}", file=sys.stderr)
                    continue
                if output and os.path.exists(output):
                    run.stored, run.synced = os.path.getsize(output), sync(output)
                mine.append(run)
                if turn == 0 and check and who != "outcrop":
                    said = check(work, results["outcrop"][0].text if results.get("outcrop") else None, run.text)
                    if said:
                        wrong[who] = said
                        print(f"   {who} is wrong: {said}", file=sys.stderr)
                elif turn == 0 and check and check(work, None, run.text):
                    sys.exit(f"{work}: outcrop is wrong: {check(work, None, run.text)}")
            if limit and (turn == 0 or not self.late()):
                try:
                    limits.append(limit())
                except (subprocess.CalledProcessError, ValueError, OSError) as e:
                    print("   no limit:", e, file=sys.stderr)
                    limit = None
        remove(output)
        row = report.Row(work, commands, results, failed, wrong, statistics.median(limits) if limits else None, bool(cold))
        self.rows.append(row)
        row.show()

    def late(self):
        return time.monotonic() - self.begun > PATIENCE

    def is_enough(self, who, results):
        """Whether a peer is too far behind to be the fastest, or the whole run is late."""
        if self.late():
            return True
        best = min(min(r.wall for r in rs) for w, rs in results.items() if rs and w != "outcrop") if who != "outcrop" else 0
        return who != "outcrop" and results[who] and results[who][0].wall > max(1.5 * best, 1.5)

    def start_up(self, who, command):
        """What a peer needs to start: subtracted from its times where ratios are taken."""
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
