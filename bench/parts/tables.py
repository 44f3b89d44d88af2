"""RESP and HTTP/1 over memory tables and durable ones, against Redis and nginx."""
from lib.loaders import fill
from lib.servers import CPUS, holdfast, nginx, redis


def memory(report, args, folder):
    ours, peer = holdfast(), redis(folder)
    try:
        for server in (ours, peer):
            fill(server, 1000000)
        goals = {1: "≥ 1.2; CPU ≤ 0.80", 16: "≥ 2.8; ≤ 0.35", 100: "≥ 4.0; ≤ 0.25"}
        for p, goal in goals.items():
            for kind in ("resp-get", "resp-set"):
                report.compare(f"{kind[5:].upper()} P={p}", ours, peer, kind, goal, P=p)
        goals = {1: "CPU ≤ 0.80", 16: "≤ 0.45", 100: "≤ 0.33"}
        for p, goal in goals.items():
            for kind in ("resp-incr", "resp-sadd"):
                report.compare(f"{kind[5:].upper()} P={p}", ours, peer, kind, goal, P=p)
        for p, goal in {1: "CPU ≤ 0.55", 16: "≤ 0.35"}.items():
            for kind in ("resp-mget", "resp-mset"):
                report.compare(f"{kind[5:].upper()} of 10, P={p}", ours, peer, kind, goal, P=p)
    finally:
        ours.stop()
        peer.stop()


def two_threads(report, args, folder):
    if len(CPUS) < 4:
        print("two threads: skipped, fewer than four cores")
        return
    one = holdfast(cpus=CPUS[:1])
    two = holdfast(cpus=CPUS[:2], threads=2)
    try:
        for server in (one, two):
            fill(server, 1000000)
        for kind in ("resp-get", "resp-set"):
            report.compare(f"two threads against one, {kind[5:].upper()} P=16", two, one, kind,
                           "≥ 1.8, else CPU ≤ 1.1", P=16, cpus=CPUS[2:4])
    finally:
        one.stop()
        two.stop()


def durable(report, args, folder):
    ours = holdfast(f"{folder}/ours")
    peer = redis(folder, "--appendonly", "yes", "--appendfsync", "always")
    goals = {1: "≥ 1.3; CPU ≤ 0.75; p99 ≤ 1.0", 50: "≥ 1.4; …", 500: "≥ 1.4; …"}
    try:
        for clients, goal in goals.items():
            report.compare(f"durable SET, {clients} clients", ours, peer, "resp-set", goal, c=clients)
    finally:
        ours.stop()
        peer.stop()


def http(report, args, folder):
    ours, peer = holdfast(), nginx(folder)
    try:
        fill(ours, 100000, size=100)
        report.compare("HTTP GET 100 B (Estoraje)", ours, peer, "http-get", "≥ 1.0", k=100000)
        report.compare("HTTP POST 100 B (Estoraje)", ours, peer, "http-post", "≥ 0.95", k=100000,
                       d=100)
        report.compare("HTTP GET of a Strato key", ours, peer, "http-get", "≥ 0.9", k=100000,
                       p="/kv/")
    finally:
        ours.stop()
        peer.stop()
