#!/usr/bin/env python3
"""Measures ours and the peers in turn on the same pinned cores; medians of RUNS; prints ratios.

    bench/run.py [--runs 3] [--seconds 3] [--part NAME,…] [--only TEXT] [--out FILE]

Server CPU is the sum over its threads of the scheduler's run time (schedstat), per operation.
`parts/` holds what is measured, `lib/` what starts, loads and reports.
"""
import argparse
import datetime
import pathlib
import tempfile

from lib.report import Report
from lib.servers import BUILD, ROOT
from parts import storage, streams, tables, tls, unary

PARTS = {
    "memory": tables.memory,
    "two": tables.two_threads,
    "durable": tables.durable,
    "http": tables.http,
    "grpc": unary.memory,
    "grpc-durable": unary.durable,
    "dstash": streams.dstash,
    "tls": tls.tls,
    "space": storage.space,
    "restart": storage.restart,
    "cold": storage.cold,
    "stream": storage.long_answer,
    "start": storage.start_up,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--out", default="")
    args = parser.parse_args()
    unknown = set(args.part.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    report = Report(args)
    with tempfile.TemporaryDirectory(dir=BUILD.parent) as folder:
        for name, part in PARTS.items():
            if name in args.part.split(","):
                own = pathlib.Path(folder) / name
                own.mkdir()
                part(report, args, str(own))
    print("\n" + report.text())
    report.write(pathlib.Path(args.out or ROOT / f"bench/results/{datetime.date.today()}.md"))


if __name__ == "__main__":
    main()
