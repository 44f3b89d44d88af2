"""The rows of a run: comparisons (ours against a peer, operation by operation) and facts.

A goal is a text, or a Goal, which says by itself whether it is met.
"""
import datetime
import os
import pathlib
import platform
import re

from lib.loaders import load, medians
from lib.servers import CPUS

HEAD = """| work | ours: ops/s · CPU/op · latency, µs | peer | throughput | CPU | latency | goal |
|---|---|---|---|---|---|---|
"""
FACTS = "\n| what | ours | peer | ratio |\n|---|---|---|---|\n"


class Goal:
    """Bounds of ours / peer: at least this throughput, at most this CPU; or of our CPU in µs."""

    def __init__(self, throughput=0, cpu=0, cpu_us=0, note=""):
        self.bounds = {"throughput": throughput, "cpu": cpu, "cpu_us": cpu_us}
        self.note = note

    def text(self, ours, peer):
        parts = []
        if self.bounds["throughput"]:
            is_met = peer and ours["ops_per_s"] / peer["ops_per_s"] >= self.bounds["throughput"]
            parts.append((f"≥ {self.bounds['throughput']}", is_met))
        if self.bounds["cpu"]:
            is_met = peer and ours["cpu_us"] / peer["cpu_us"] <= self.bounds["cpu"]
            parts.append((f"CPU ≤ {self.bounds['cpu']:.3g}", is_met))
        if self.bounds["cpu_us"]:
            is_met = ours["cpu_us"] <= self.bounds["cpu_us"]
            parts.append((f"CPU ≤ {self.bounds['cpu_us']:.3g} µs", is_met))
        return "; ".join(f"{text}: {'met' if met else 'missed'}" for text, met in parts) + self.note


class Report:
    def __init__(self, args):
        self.args = args
        self.loads = [os.getloadavg()[0]]
        self.comparisons = []
        self.facts = []

    def wants(self, name):
        return self.args.only in name

    def add(self, name, ours, peer, goal=""):
        self.loads.append(os.getloadavg()[0])
        self.comparisons.append(comparison(name, ours, peer, goal))
        print(self.comparisons[-1], flush=True)

    def fact(self, name, ours, peer="", ratio=""):
        self.facts.append(f"| {name} | {ours} | {peer} | {ratio} |")
        print(self.facts[-1], flush=True)

    def compare(self, name, ours, peer, kind, goal, **options):
        """Both in turn under the load `kind` of bench/load.c."""
        self.alternate(name, lambda: load(ours, kind, self.args.seconds, **options),
                       peer and (lambda: load(peer, kind, self.args.seconds, **options)), goal)

    def alternate(self, name, ours, peer, goal):
        """`ours` and `peer` measure one run each; the medians of their runs, made in turn."""
        if not self.wants(name):
            return
        a, b = [], []
        for _ in range(self.args.runs):
            a.append(ours())
            if peer:
                b.append(peer())
        self.add(name, medians(a), medians(b) if peer else None, goal)

    def skip(self, name, why):
        self.facts.append(f"| {name} | skipped: {why} | | |")
        print(self.facts[-1], flush=True)

    def text(self):
        out = HEAD + "\n".join(self.comparisons) + "\n" if self.comparisons else ""
        if self.facts:
            out += FACTS + "\n".join(self.facts) + "\n"
        return out

    def write(self, path):
        today = datetime.date.today()
        model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {today}, {model}, {len(CPUS)} cores, kernel {platform.release()}\n\n"
                        f"Medians of {self.args.runs} runs of {self.args.seconds} s; server on one "
                        f"core, loader on another. Load average of the machine meanwhile: "
                        f"{min(self.loads):.1f} to {max(self.loads):.1f}; it is 2 when nothing else "
                        f"runs.\n\n{self.text()}")


def latency_of(run):
    """The tail where the loader knows it, else the mean."""
    return ("p99", run["p99_us"]) if "p99_us" in run else ("mean", run["mean_us"])


def figures(run):
    name, latency = latency_of(run)
    return f"{run['ops_per_s']:,.0f} · {run['cpu_us']:.2f} µs · {name} {latency:.0f}"


def comparison(name, ours, peer, goal):
    text = f"| {name} | {figures(ours)} |"
    if peer:
        text += (f" {figures(peer)} | {ours['ops_per_s'] / peer['ops_per_s']:.2f}"
                 f" | {ours['cpu_us'] / peer['cpu_us']:.3g}"
                 f" | {latency_of(ours)[1] / max(latency_of(peer)[1], 1):.2f} |")
    else:
        text += " – | – | – | – |"
    return text + f" {goal.text(ours, peer) if isinstance(goal, Goal) else goal} |"
