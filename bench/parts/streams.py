"""100,000 operations on one D-Stash stream, into a memory table and into a durable one, on one core
as everything else; and into a durable one with a loop on every core but the loader's."""
from lib.loaders import medians, stream
from lib.messages import Refused, call, message
from lib.servers import CPUS, LOADER_CPUS, holdfast

OPERATIONS = 100000
FIRST_MS = 3
# Milliseconds at most, of lookups and of puts.
GOALS = {"memory": (40, 60), "disk": (90, 140)}


def is_served(server):
    try:
        call(server.port, "/dstash.DStash/Lookup", message({1: b"key"}))
    except Refused:
        return False
    return True


def measure(report, name, kind, runs, most):
    run = medians(runs)
    total, first, cpu = run["total_ms"], run["first_ms"], run["cpu_us"]
    goal = f"≤ {most} ms: {'met' if total <= most else 'missed'}"
    text = f"{total:.1f} ms · {cpu:.2f} µs of CPU each"
    if kind == "lookup":
        text += f" · first answer after {first:.2f} ms"
        goal += f"; first ≤ {FIRST_MS} ms: {'met' if first <= FIRST_MS else 'missed'}"
    report.fact(f"{OPERATIONS:,} {kind}s on one D-Stash stream, {name}", text, "–", goal)


def one_server(report, args, name, server, goals):
    if not is_served(server):
        report.skip(f"D-Stash streams, {name}", "we do not speak it yet")
        return
    puts, lookups = [], []
    for i in range(args.runs):  # new keys in each run, which the lookups then ask for
        options = {"n": OPERATIONS, "k": f"run{i}:"}
        puts.append(stream(server, "put", **options))
        lookups.append(stream(server, "lookup", **options))
    measure(report, name, "lookup", lookups, goals[0])
    measure(report, name, "put", puts, goals[1])


def dstash(report, args, folder):
    others = [cpu for cpu in CPUS if cpu not in LOADER_CPUS]
    for name, engine, cpus in (("memory", "memory", CPUS[:1]), ("disk", "disk", CPUS[:1]),
                               (f"disk, {len(others)} loops on as many cores", "disk", others)):
        where = None if engine == "memory" else f"{folder}/{len(cpus)}"
        server = holdfast(where, cpus=cpus, threads=len(cpus))
        try:
            one_server(report, args, name, server, GOALS[engine])
        finally:
            server.stop()
