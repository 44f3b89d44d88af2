#!/usr/bin/env python3
"""Measures ours and the peers in turn on the same pinned cores; medians of RUNS; prints ratios.

    bench/run.py [--runs 3] [--seconds 3] [--only NAME] [--out FILE]

Server CPU is the sum over its threads of the scheduler's run time (schedstat), per operation.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOLDFAST = ROOT / "build/release/holdfast"
LOAD = ROOT / "build/release/load"
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPUS, LOADER_CPUS = (CPUS[:1], CPUS[1:2]) if len(CPUS) < 4 else (CPUS[:1], CPUS[2:3])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit("a server ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            select_nothing(0.01)
    sys.exit("a server does not answer")


def select_nothing(seconds):
    import select
    select.select([], [], [], seconds)


class Server:
    """A process pinned to `cpus`, with its CPU time and memory."""

    def __init__(self, command, port, cpus=None, env=None):
        self.port = port
        self.log = tempfile.TemporaryFile()
        cpu_list = ",".join(map(str, cpus or SERVER_CPUS))
        self.process = subprocess.Popen(["taskset", "-c", cpu_list, *map(str, command)],
                                        stdout=self.log, stderr=self.log, env=env)
        wait_for(port, self.process)

    def cpu_ns(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
        for child in children(self.process.pid):
            total += int(pathlib.Path(f"/proc/{child}/schedstat").read_text().split()[0])
        return total

    def rss(self, field="VmRSS"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+)", text).group(1)) * 1024

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return text.split()


def holdfast(folder=None, *flags, cpus=None, threads=1):
    port = free_port()
    where = ["--data", folder] if folder else ["--engine", "memory"]
    return Server([HOLDFAST, "serve", "--listen", f"127.0.0.1:{port}", "--threads", threads,
                   "--log-level", "error", *where, *flags], port, cpus)


def redis(folder, *flags):
    port = free_port()
    return Server(["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder,
                   "--save", "", "--daemonize", "no", *flags], port)


def nginx(folder):
    port = free_port()
    config = pathlib.Path(folder) / "nginx.conf"
    body = "x" * 100
    config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/b;
 server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }} }}
""")
    return Server(["nginx", "-c", config, "-p", folder], port)


def load(server, kind, seconds, **options):
    flags = [part for name, value in options.items()
             for part in ([f"-{name}"] if value is True else [f"-{name}", str(value)])]
    if "n" not in options:
        flags += ["-t", str(seconds)]
    before = server.cpu_ns()
    line = subprocess.run(["taskset", "-c", ",".join(map(str, LOADER_CPUS)), LOAD,
                           str(server.port), kind, *flags], check=True, capture_output=True,
                          text=True).stdout
    cpu = server.cpu_ns() - before
    words = line.split()
    out = {words[i]: float(words[i + 1]) for i in range(0, len(words) - 1, 2)}
    out["cpu_us"] = cpu / 1000 / max(out["ops"], 1)
    return out


def medians(runs):
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]}


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, ours, peer, goal=""):
        row = {"name": name, "ours": ours, "peer": peer, "goal": goal}
        self.rows.append(row)
        print(self.line(row), flush=True)

    @staticmethod
    def line(row):
        ours, peer = row["ours"], row["peer"]
        text = (f"| {row['name']} | {ours['ops_per_s']:,.0f} · {ours['cpu_us']:.2f} µs"
                f" · p99 {ours['p99_us']:.0f} |")
        if peer:
            text += (f" {peer['ops_per_s']:,.0f} · {peer['cpu_us']:.2f} µs · p99 {peer['p99_us']:.0f}"
                     f" | {ours['ops_per_s'] / peer['ops_per_s']:.2f}"
                     f" | {ours['cpu_us'] / peer['cpu_us']:.2f}"
                     f" | {ours['p99_us'] / max(peer['p99_us'], 1):.2f} |")
        else:
            text += " – | – | – | – |"
        return text + f" {row['goal']} |"

    def text(self):
        head = ("| work | ours: ops/s · CPU/op · p99 µs | peer | throughput | CPU | p99 | goal |\n"
                "|---|---|---|---|---|---|---|\n")
        return head + "\n".join(self.line(r) for r in self.rows) + "\n"


def compare(table, args, name, ours, peer, kind, goal, **options):
    if args.only and args.only not in name:
        return
    a, b = [], []
    for _ in range(args.runs):
        a.append(load(ours, kind, args.seconds, **options))
        if peer:
            b.append(load(peer, kind, args.seconds, **options))
    table.add(name, medians(a), medians(b) if peer else None, goal)


def fill(server, keys, kind="resp-set", size=64):
    load(server, kind, 0, n=keys, k=keys, P=100, c=10, d=size, s=True)


def memory_tables(table, args, folder):
    ours, peer = holdfast(), redis(folder)
    try:
        for server in (ours, peer):
            fill(server, 1000000)
        goals = {1: "≥ 1.2; CPU ≤ 0.80", 16: "≥ 2.8; ≤ 0.35", 100: "≥ 4.0; ≤ 0.25"}
        for p, goal in goals.items():
            for kind in ("resp-get", "resp-set"):
                compare(table, args, f"{kind[5:].upper()} P={p}", ours, peer, kind, goal, P=p)
        goals = {1: "CPU ≤ 0.80", 16: "≤ 0.45", 100: "≤ 0.33"}
        for p, goal in goals.items():
            for kind in ("resp-incr", "resp-sadd"):
                compare(table, args, f"{kind[5:].upper()} P={p}", ours, peer, kind, goal, P=p)
        for p, goal in {1: "CPU ≤ 0.55", 16: "≤ 0.35"}.items():
            for kind in ("resp-mget", "resp-mset"):
                compare(table, args, f"{kind[5:].upper()} of 10, P={p}", ours, peer, kind, goal, P=p)
    finally:
        ours.stop()
        peer.stop()


def two_threads(table, args, _folder):
    if len(CPUS) < 4:
        print("two threads: skipped, fewer than four cores")
        return
    one = holdfast(cpus=CPUS[:1])
    two = holdfast(cpus=CPUS[:2], threads=2)
    global LOADER_CPUS
    before, LOADER_CPUS = LOADER_CPUS, CPUS[2:4]
    try:
        for server in (one, two):
            fill(server, 1000000)
        for kind in ("resp-get", "resp-set"):
            compare(table, args, f"two threads against one, {kind[5:].upper()} P=16", two, one, kind,
                    "≥ 1.8, else CPU ≤ 1.1", P=16)
    finally:
        LOADER_CPUS = before
        one.stop()
        two.stop()


def durable(table, args, folder):
    ours = holdfast(f"{folder}/ours")
    peer = redis(folder, "--appendonly", "yes", "--appendfsync", "always")
    try:
        for clients, goal in {1: "≥ 1.3; CPU ≤ 0.75; p99 ≤ 1.0", 50: "≥ 1.4; …", 500: "≥ 1.4; …"}.items():
            compare(table, args, f"durable SET, {clients} clients", ours, peer, "resp-set", goal,
                    c=clients)
    finally:
        ours.stop()
        peer.stop()


def http(table, args, folder):
    ours, peer = holdfast(), nginx(folder)
    try:
        fill(ours, 100000, size=100)
        compare(table, args, "HTTP GET 100 B (Estoraje)", ours, peer, "http-get", "≥ 1.0", k=100000)
        compare(table, args, "HTTP POST 100 B (Estoraje)", ours, peer, "http-post", "≥ 0.95",
                k=100000, d=100)
        compare(table, args, "HTTP GET of a Strato key", ours, peer, "http-get", "≥ 0.9", k=100000,
                p="/kv/")
    finally:
        ours.stop()
        peer.stop()


def space(args, folder):
    """Bytes per element by resident memory: [(name, ours, redis)]."""
    rows = []
    for name, kind, keys in (("key 16 + 64", "resp-set", 1000000), ("counter", "resp-incr", 1000000),
                             ("set element", "resp-sadd", 1000000)):
        sizes = []
        for server in (holdfast(), redis(folder)):
            before = server.rss()
            load(server, kind, 0, n=keys, k=keys, P=100, c=10, s=True)
            sizes.append((server.rss() - before) / keys)
            server.stop()
        rows.append((name, *sizes))
    return rows


def restart(folder):
    """Seconds until 2 M keys of 256 B answer: after a clean stop, after kill -9, Redis from RDB."""
    out = {}
    data = f"{folder}/restart"
    server = holdfast(data, threads=2, cpus=CPUS[:2])
    load(server, "resp-set", 0, n=2000000, k=2000000, P=100, c=20, d=256, s=True)
    server.stop()
    for how in (signal.SIGTERM, signal.SIGKILL):
        server, began = None, time.monotonic()
        server = holdfast(data, threads=2, cpus=CPUS[:2])
        wait_ready(server.port, "dbsize", 2000000)
        out["clean" if how == signal.SIGTERM else "after kill -9"] = time.monotonic() - began
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
    wait_ready(peer.port, "dbsize", 2000000)
    out["Redis, RDB"] = time.monotonic() - began
    peer.stop()
    return out


def raw_rocks(folder, keys, size, budget, threads, seconds, cpus):
    done = subprocess.run(["taskset", "-c", ",".join(map(str, cpus)),
                           ROOT / "build/release/bench_rocks", folder, str(keys), str(size),
                           str(budget), str(threads), str(seconds)], check=True,
                          capture_output=True, text=True)
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


def cold(args, folder):
    """GETs on data 8 times --memory: [(name, ours, raw RocksDB)] in operations per second."""
    keys, size, budget = 4000000, 128, 64
    cpus = CPUS[:2] if len(CPUS) >= 4 else CPUS[:1]
    data = f"{folder}/cold"
    server = holdfast(data, "--memory", f"{budget}MiB", cpus=cpus)
    load(server, "resp-set", 0, n=keys, k=keys, P=100, c=20, d=size, s=True)
    server.stop()
    raw_rocks(f"{folder}/rocks", keys, size, budget, 1, 0.1, cpus)
    rows = []
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
        rows.append((f"GET on 8 × --memory, {clients} clients against {threads} threads",
                     statistics.median(ours), statistics.median(peer)))
    return rows


def stream(folder):
    """Growth of peak memory while a million keys are streamed, also to a slow reader, in MiB."""
    server = holdfast(f"{folder}/stream", "--memory", "64MiB")
    load(server, "resp-set", 0, n=1000000, k=1000000, P=100, c=10, s=True)
    out = {}
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
                    select_nothing(0.05)
        out[f"stream a million keys, {name} reader: {total >> 20} MiB; peak grew by MiB"] = (
            server.rss("VmHWM") - before) / 2**20
    server.stop()
    return out


def wait_ready(port, command, wanted):
    """Until the number of keys is there; the loader leaves its last requests unanswered, so nearly."""
    for _ in range(6000):
        done = subprocess.run(["redis-cli", "-p", str(port), command], capture_output=True, text=True,
                              check=False).stdout.strip()
        if done.isdigit() and int(done) >= wanted * 0.98:
            return
        select_nothing(0.005)
    sys.exit(f"not ready: {done}")


def start_up(folder):
    began = time.monotonic()
    server = holdfast(f"{folder}/empty", cpus=CPUS[:1])
    wait_ready(server.port, "dbsize", 0)
    ready = time.monotonic() - began
    select_nothing(2)
    before = server.cpu_ns()
    select_nothing(5)
    idle = (server.cpu_ns() - before) / 5e9
    out = {"empty start to ready, ms (with redis-cli)": ready * 1000, "idle CPU, %": idle * 100,
           "resident, disk, MiB": server.rss() / 2**20}
    server.stop()
    server = holdfast()
    out["resident, memory tables, MiB"] = server.rss() / 2**20
    server.stop()
    fresh = pathlib.Path(folder) / "idle"
    fresh.mkdir()
    peer = redis(str(fresh))
    select_nothing(1)
    before = peer.cpu_ns()
    select_nothing(5)
    out["idle CPU of Redis, %"] = (peer.cpu_ns() - before) / 5e7
    peer.stop()
    stripped = pathlib.Path(folder) / "stripped"
    subprocess.run(["strip", "-o", stripped, HOLDFAST], check=True)
    out["binary stripped, MB"] = stripped.stat().st_size / 1e6
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="memory,two,durable,http,space,restart,cold,stream,start")
    parser.add_argument("--out", default="")
    args = parser.parse_args()
    table = Table()
    extra = []
    parts = args.part.split(",")
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        for name, part in (("memory", memory_tables), ("two", two_threads), ("durable", durable),
                           ("http", http)):
            if name in parts:
                sub = pathlib.Path(folder) / name
                sub.mkdir()
                part(table, args, str(sub))
        if "space" in parts:
            extra += [f"| bytes per {n} | {a:.0f} | {b:.0f} | {a / b:.2f} |"
                      for n, a, b in space(args, folder)]
        if "restart" in parts:
            times = restart(folder)
            extra += [f"| restart 2 M × 256 B, {n} | {t:.2f} s | {times['Redis, RDB']:.2f} s | "
                      f"{t / times['Redis, RDB']:.2f} |" for n, t in times.items()]
        if "cold" in parts:
            extra += [f"| {n} | {a:,.0f}/s | {b:,.0f}/s | {a / b:.2f} |"
                      for n, a, b in cold(args, folder)]
        if "stream" in parts:
            extra += [f"| {n} | {v:.1f} | | |" for n, v in stream(folder).items()]
        if "start" in parts:
            extra += [f"| {n} | {v:.1f} | | |" for n, v in start_up(folder).items()]
    text = table.text()
    if extra:
        text += "\n| what | ours | peer | ratio |\n|---|---|---|---|\n" + "\n".join(extra) + "\n"
    print("\n" + text)
    out = pathlib.Path(args.out or ROOT / f"bench/results/{datetime.date.today()}.md")
    out.parent.mkdir(exist_ok=True)
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
    out.write_text(f"# {datetime.date.today()}, {model}, {len(CPUS)} cores, kernel "
                   f"{platform.release()}\n\nMedians of {args.runs} runs of {args.seconds} s; server on "
                   f"one core, loader on another.\n\n{text}")


if __name__ == "__main__":
    main()
