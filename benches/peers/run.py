"""The command line of scripts/bench-peers: makes the data, runs outcrop and every peer in turn, writes docs/benchmarks.md."""

import argparse
import os
import shutil
import sys
import tempfile

import model
import report
import works
from bench import ROOT, Bench

DOCUMENT = os.path.join(ROOT, "docs/benchmarks.md")
#: What follows in the document was written by hand and stays.
BY_HAND = "<!-- by hand from here on -->"


def publish(tables):
    """Puts the tables, and the model that follows from them, into the document."""
    old = open(DOCUMENT).read() if os.path.exists(DOCUMENT) else ""
    notes = old[old.index(BY_HAND) :] if BY_HAND in old else ""
    with open(DOCUMENT, "w") as f:
        f.write(model.within(tables) + "\n" + notes)


def main():
    p = argparse.ArgumentParser(prog="bench-peers")
    p.add_argument("--size", choices=["small", "full"], default="small")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--only", metavar="PATTERN", help="only works whose name contains this or matches it (stats*, convert to zstd)")
    p.add_argument("--keep", metavar="DIR", help="folder for the data, kept (else a temporary one)")
    p.add_argument("--output", metavar="FILE", help="where to write the tables (docs/benchmarks.md; with --only standard output)")
    p.add_argument("--resume", action="store_true", help="go on with a run of the same --size, --runs and --keep that broke off: works that it has are kept")
    args = p.parse_args()
    folder = args.keep or tempfile.mkdtemp(prefix="outcrop-bench.")
    os.makedirs(folder, exist_ok=True)
    try:
        b = Bench(args, folder)
        works.measure(b)
        text = report.document(b)
        if args.output:
            with open(args.output, "w") as f:
                f.write(text)
        elif args.only:
            print(text)
        else:
            publish(text)
        if b.faults:
            sys.exit("\n".join(["bench-peers: failed:", *b.faults]))
    finally:
        if not args.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
