"""Puts load on a server and says what came back: one dict of numbers for a run."""
import re
import statistics
import subprocess
import sys
import tempfile

from lib.messages import framed
from lib.servers import BUILD, LOADER_CPUS, on_cpus

LOAD = BUILD / "load"


def numbers(line):
    """{"ops": 12.0, …} of "ops 12 …"."""
    words = line.split()
    return {words[i]: float(words[i + 1]) for i in range(0, len(words) - 1, 2)}


def run_counted(server, command, cpus=None):
    """What `command` prints, and the nanoseconds of CPU that the server took for it."""
    before = server.cpu_ns()
    done = subprocess.run(on_cpus(cpus or LOADER_CPUS, command), check=False, capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout, server.cpu_ns() - before


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


def fill(server, keys, kind="resp-set", size=64, **options):
    load(server, kind, 0, n=keys, k=keys, P=100, c=10, d=size, s=True, **options)


def medians(runs):
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]}


def h2load(server, path, request, seconds, connections, streams, tls=False, cpus=None):
    """One gRPC call again and again; it counts the HTTP status only."""
    cpus = cpus or LOADER_CPUS
    with tempfile.NamedTemporaryFile() as body:
        body.write(framed(request))
        body.flush()
        text, cpu = run_counted(
            server, ["h2load", "-t", min(len(cpus), connections), "-c", connections, "-m", streams,
                     "-D", f"{seconds * 1000:.0f}ms", "-d", body.name, "-H", "content-type: application/grpc", "-H",
                     "te: trailers", "--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519",
                     f"{'https' if tls else 'http'}://127.0.0.1:{server.port}{path}"], cpus)
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", text).group(1))
    done, failed, errored = (int(re.search(rf"(\d+) {word}", text).group(1))
                             for word in ("done", "failed", "errored"))
    if failed or errored or not done:
        sys.exit(f"h2load of {path}:\n{text}")
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\s", text)
    unit = {"us": 1, "ms": 1e3, "s": 1e6}[mean.group(2)]
    return {"ops_per_s": rate, "ops": done, "cpu_us": cpu / 1000 / done,
            "mean_us": float(mean.group(1)) * unit}


def stream(server, kind, **options):
    """bench/stream_load.c: many operations on one stream."""
    flags = [part for name, value in options.items() for part in (f"-{name}", str(value))]
    line, cpu = run_counted(server, [BUILD / "stream_load", server.port, kind, *flags])
    out = numbers(line)
    if out["errors"]:
        sys.exit(f"stream_load {kind}: {line}")
    out["cpu_us"] = cpu / 1000 / out["ops"]
    return out


def handshakes(server, kind, seconds, cpus):
    """bench/handshakes.c: with a process for each of `cpus`."""
    line, cpu = run_counted(server, [BUILD / "handshakes", server.port, kind, "-t", seconds, "-j",
                                     len(cpus)], cpus)
    out = numbers(line)
    if out["errors"]:
        sys.exit(f"handshakes {kind}: {line}")
    out["cpu_us"] = cpu / 1000 / max(out["ops"], 1)
    return out
