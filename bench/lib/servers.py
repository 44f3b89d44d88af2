"""The servers that are measured, ours and the peers: started on a pinned core, with their CPU time.

BENCH_BUILD names another build folder than build/release, BENCH_ETCD another etcd than the one of
the PATH.
"""
import contextlib
import http.client
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BENCH_BUILD", ROOT / "build/release"))
HOLDFAST = BUILD / "holdfast"
ETCD = os.environ.get("BENCH_ETCD", "etcd")
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPUS, LOADER_CPUS = (CPUS[:1], CPUS[1:2]) if len(CPUS) < 4 else (CPUS[:1], CPUS[2:3])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pause(seconds):
    select.select([], [], [], seconds)


def wait_for(port, process, log, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            log.seek(0)
            sys.exit(f"{process.args} ended at once: {log.read().decode()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            pause(0.01)
    sys.exit("a server does not answer")


def on_cpus(cpus, command):
    return ["taskset", "-c", ",".join(map(str, cpus)), *map(str, command)]


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return text.split()


class Server:
    """A process pinned to `cpus`, with its CPU time and memory."""

    def __init__(self, command, port, cpus=None, env=None):
        self.port = port
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(on_cpus(cpus or SERVER_CPUS, command), stdout=self.log,
                                        stderr=self.log, env=env)
        wait_for(port, self.process, self.log)

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


def holdfast(folder=None, *flags, cpus=None, threads=1):
    port = free_port()
    where = ["--data", folder] if folder else ["--engine", "memory"]
    server = Server([HOLDFAST, "serve", "--listen", f"127.0.0.1:{port}", "--threads", threads,
                     "--log-level", "error", *where, *flags], port, cpus)
    wait_ready(port)
    return server


def wait_ready(port, seconds=60):
    """Until the recovery is over, which begins when the port is open."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as c:
            c.request("GET", "/readyz")
            if c.getresponse().status == 200:
                return
        pause(0.002)
    sys.exit("holdfast is not ready")


def redis(folder, *flags):
    port = free_port()
    return Server(["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder,
                   "--save", "", "--daemonize", "no", *flags], port)


def nginx(folder, listen="", server="", body="x" * 100):
    """Answers every request with `body`; `listen` is added to its port, `server` to its block."""
    port = free_port()
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/b;
 server {{ listen 127.0.0.1:{port} {listen}; {server} location / {{ return 200 "{body}"; }} }} }}
""")
    return Server(["nginx", "-c", config, "-p", folder], port)


def etcd_version():
    """(3, 4) of the etcd that BENCH_ETCD or the PATH names, or None."""
    if not shutil.which(ETCD):
        return None
    text = subprocess.run([ETCD, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"etcd Version: (\d+)\.(\d+)", text).groups()))


def etcd(folder):
    """One member, durable as etcd always is."""
    port, peers = free_port(), free_port()
    here, there = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    return Server([ETCD, "--data-dir", f"{folder}/etcd", "--log-level", "error",
                   "--listen-client-urls", here, "--advertise-client-urls", here,
                   "--listen-peer-urls", there, "--initial-advertise-peer-urls", there,
                   "--initial-cluster", f"default={there}",
                   "--quota-backend-bytes", 8 << 30], port)
