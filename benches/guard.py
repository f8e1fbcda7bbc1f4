"""Counts the instructions of a repetition of each kernel and compares them with guard.json: guard.py VERSION BINARY [--update]."""

import json
import os
import re
import subprocess
import sys

FIGURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guard.json")
KERNELS = ["stats-f32", "mean-u8x3", "lzw"]
SLACK = 0.05


def total(binary, kernel, repetitions):
    """Instructions of a whole run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, kernel, str(repetitions)]
    # memcpy and its like are chosen by the processor too.
    tunables = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-ERMS,-FSRM"
    run = subprocess.run(command, env=dict(os.environ, GLIBC_TUNABLES=tunables), capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        sys.exit(f"guard: {' '.join(command)} failed:\n{run.stderr}")
    return int(found[1])


version, binary, *flags = sys.argv[1:]
counts = {}
for kernel in KERNELS:
    counts[kernel] = (total(binary, kernel, 5) - total(binary, kernel, 1)) // 4
try:
    with open(FIGURES) as f:
        recorded = json.load(f)
except FileNotFoundError:
    recorded = {}

if "--update" in flags:
    recorded[version] = counts
    with open(FIGURES, "w") as f:
        json.dump(recorded, f, indent=4, sort_keys=True)
        f.write("\n")
    print(f"guard: recorded for {version}: {counts}")
    sys.exit()
if version not in recorded:
    print(f"guard: passed, nothing is recorded for {version} (./scripts/guard --update): {counts}")
    sys.exit()
more = []
for kernel, count in counts.items():
    limit = recorded[version].get(kernel)
    change = "not recorded" if limit is None else f"{count / limit - 1:+.2%} of {limit}"
    print(f"guard: {kernel}: {count} instructions, {change}")
    if limit is not None and count > limit * (1 + SLACK):
        more.append(kernel)
if more:
    sys.exit(f"guard: {', '.join(more)}: over {SLACK:.0%} more instructions than recorded (meant so? ./scripts/guard --update)")
