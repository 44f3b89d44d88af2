"""Memory per element, restarts, cold reads, long answers, an idle node."""
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from lib.loaders import load
from lib.servers import BUILD, CPUS, HOLDFAST, holdfast, on_cpus, pause, redis


def space(report, args, folder):
    """Bytes per element by resident memory."""
    for name, kind, keys in (("key 16 + 64", "resp-set", 1000000), ("counter", "resp-incr", 1000000),
                             ("set element", "resp-sadd", 1000000)):
        sizes = []
        for server in (holdfast(), redis(folder)):
            before = server.rss()
            load(server, kind, 0, n=keys, k=keys, P=100, c=10, s=True)
            sizes.append((server.rss() - before) / keys)
            server.stop()
        ours, peer = sizes
        report.fact(f"bytes per {name}", f"{ours:.0f}", f"{peer:.0f}", f"{ours / peer:.2f}")


def wait_keys(port, command, wanted):
    """Until the number of keys is there; the loader leaves its last requests unanswered, so nearly."""
    for _ in range(6000):
        done = subprocess.run(["redis-cli", "-p", str(port), command], capture_output=True, text=True,
                              check=False).stdout.strip()
        if done.isdigit() and int(done) >= wanted * 0.98:
            return
        pause(0.005)
    sys.exit(f"not ready: {done}")


def restart(report, args, folder):
    """Seconds until 2 M keys of 256 B answer: after a clean stop, after kill -9, Redis from RDB."""
    times = {}
    data = f"{folder}/restart"
    server = holdfast(data, threads=2, cpus=CPUS[:2])
    load(server, "resp-set", 0, n=2000000, k=2000000, P=100, c=20, d=256, s=True)
    server.stop()
    for how in (signal.SIGTERM, signal.SIGKILL):
        server, began = None, time.monotonic()
        server = holdfast(data, threads=2, cpus=CPUS[:2])
        wait_keys(server.port, "dbsize", 2000000)
        times["clean" if how == signal.SIGTERM else "after kill -9"] = time.monotonic() - began
        if how == signal.SIGTERM:
            load(server, "resp-set", 0, n=400000, k=2000000, P=100, c=20, d=256, s=True)
            server.stop(signal.SIGKILL)
            continue
        server.stop()
    shutil.rmtree(data)
    peer = redis(folder)
    load(peer, "resp-set", 0, n=2000000, k=2000000, P=100, c=20, d=256, s=True)
    subprocess.run(["redis-cli", "-p", str(peer.port), "save"], check=True, capture_output=True)
    peer.stop(signal.SIGKILL)
    began = time.monotonic()
    peer = redis(folder)
    wait_keys(peer.port, "dbsize", 2000000)
    of_redis = time.monotonic() - began
    peer.stop()
    for name, seconds in times.items():
        report.fact(f"restart 2 M × 256 B, {name}; Redis from its RDB", f"{seconds:.2f} s",
                    f"{of_redis:.2f} s", f"{seconds / of_redis:.2f}")


def raw_rocks(folder, keys, size, budget, threads, seconds, cpus):
    command = [BUILD / "bench_rocks", folder, keys, size, budget, threads, seconds]
    done = subprocess.run(on_cpus(cpus, command), check=True, capture_output=True, text=True)
    return float(done.stdout.split()[1])


class Forgetting:
    """While it is open, the kernel's page cache forgets the files below `folder` again and again, so
    that a read that misses the caches of the program goes to the disk."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping.wait(0.05):
            for file in self.folder.rglob("*.sst"):
                try:
                    fd = os.open(file, os.O_RDONLY)
                except OSError:
                    continue
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def cold(report, args, folder):
    """GETs on data 8 times --memory, against RocksDB alone."""
    keys, size, budget = 4000000, 128, 64
    cpus = CPUS[:2] if len(CPUS) >= 4 else CPUS[:1]
    data = f"{folder}/cold"
    server = holdfast(data, "--memory", f"{budget}MiB", cpus=cpus)
    load(server, "resp-set", 0, n=keys, k=keys, P=100, c=20, d=size, s=True)
    server.stop()
    raw_rocks(f"{folder}/rocks", keys, size, budget, 1, 0.1, cpus)
    for clients, threads in ((1, 1), (50, 8)):
        ours, peer = [], []
        for _ in range(args.runs):
            server = holdfast(data, "--memory", f"{budget}MiB", cpus=cpus)
            with Forgetting(folder):
                ours.append(load(server, "resp-get", args.seconds, c=clients, k=keys)["ops_per_s"])
            server.stop()
            with Forgetting(folder):
                peer.append(raw_rocks(f"{folder}/rocks", keys, size, budget, threads, args.seconds,
                                      cpus))
        a, b = statistics.median(ours), statistics.median(peer)
        report.fact(f"GET on 8 × --memory, {clients} clients against {threads} threads", f"{a:,.0f}/s",
                    f"{b:,.0f}/s", f"{a / b:.2f}")


def long_answer(report, args, folder):
    """Growth of peak memory while a million keys are streamed, also to a slow reader."""
    server = holdfast(f"{folder}/stream", "--memory", "64MiB")
    load(server, "resp-set", 0, n=1000000, k=1000000, P=100, c=10, s=True)
    for name in ("fast", "slow"):
        before = server.rss("VmHWM")
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(b"GET /api/v1/tables/kv/keys HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      b"Connection: close\r\n\r\n")
            total, step = 0, 0
            while chunk := s.recv(65536):
                total += len(chunk)
                step += 1
                if name == "slow" and step % 40 == 0 and step < 2000:
                    pause(0.05)
        grown = (server.rss("VmHWM") - before) / 2**20
        report.fact(f"stream a million keys, {name} reader: {total >> 20} MiB; peak grew by MiB",
                    f"{grown:.1f}")
    server.stop()


def start_up(report, args, folder):
    began = time.monotonic()
    server = holdfast(f"{folder}/empty", cpus=CPUS[:1])
    wait_keys(server.port, "dbsize", 0)
    report.fact("empty start to ready, ms (with redis-cli)", f"{(time.monotonic() - began) * 1e3:.1f}")
    pause(2)
    before = server.cpu_ns()
    pause(5)
    report.fact("idle CPU, %", f"{(server.cpu_ns() - before) / 5e7:.1f}")
    report.fact("resident, disk, MiB", f"{server.rss() / 2**20:.1f}")
    server.stop()
    server = holdfast()
    report.fact("resident, memory tables, MiB", f"{server.rss() / 2**20:.1f}")
    server.stop()
    peer = redis(folder)
    pause(1)
    before = peer.cpu_ns()
    pause(5)
    report.fact("idle CPU of Redis, %", f"{(peer.cpu_ns() - before) / 5e7:.1f}")
    peer.stop()
    stripped = pathlib.Path(folder) / "stripped"
    subprocess.run(["strip", "-o", stripped, HOLDFAST], check=True)
    report.fact("binary stripped, MB", f"{stripped.stat().st_size / 1e6:.1f}")
