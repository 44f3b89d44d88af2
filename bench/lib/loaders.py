"""Puts load on a server and says what came back: one dict of numbers for a run."""
import statistics
import subprocess

from lib.servers import BUILD, LOADER_CPUS, on_cpus

LOAD = BUILD / "load"


def numbers(line):
    """{"ops": 12.0, …} of "ops 12 …"."""
    words = line.split()
    return {words[i]: float(words[i + 1]) for i in range(0, len(words) - 1, 2)}


def run_counted(server, command, cpus=None):
    """What `command` prints, and the nanoseconds of CPU that the server took for it."""
    before = server.cpu_ns()
    text = subprocess.run(on_cpus(cpus or LOADER_CPUS, command), check=True, capture_output=True,
                          text=True).stdout
    return text, server.cpu_ns() - before


def load(server, kind, seconds, cpus=None, **options):
    """bench/load.c: over RESP or HTTP/1."""
    flags = [part for name, value in options.items()
             for part in ([f"-{name}"] if value is True else [f"-{name}", str(value)])]
    if "n" not in options:
        flags += ["-t", str(seconds)]
    line, cpu = run_counted(server, [LOAD, server.port, kind, *flags], cpus)
    out = numbers(line)
    out["cpu_us"] = cpu / 1000 / max(out["ops"], 1)
    return out


def fill(server, keys, kind="resp-set", size=64):
    load(server, kind, 0, n=keys, k=keys, P=100, c=10, d=size, s=True)


def medians(runs):
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]}
