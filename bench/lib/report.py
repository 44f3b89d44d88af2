"""The rows of a run: comparisons (ours against a peer, operation by operation) and facts."""
import datetime
import pathlib
import platform
import re

from lib.loaders import load, medians
from lib.servers import CPUS

HEAD = """| work | ours: ops/s · CPU/op · p99 µs | peer | throughput | CPU | p99 | goal |
|---|---|---|---|---|---|---|
"""
FACTS = "\n| what | ours | peer | ratio |\n|---|---|---|---|\n"


class Report:
    def __init__(self, args):
        self.args = args
        self.comparisons = []
        self.facts = []

    def wants(self, name):
        return self.args.only in name

    def add(self, name, ours, peer, goal=""):
        self.comparisons.append(comparison(name, ours, peer, goal))
        print(self.comparisons[-1], flush=True)

    def fact(self, name, ours, peer="", ratio=""):
        self.facts.append(f"| {name} | {ours} | {peer} | {ratio} |")
        print(self.facts[-1], flush=True)

    def compare(self, name, ours, peer, kind, goal, **options):
        """Both in turn under the load `kind` of bench/load.c."""
        if not self.wants(name):
            return
        a, b = [], []
        for _ in range(self.args.runs):
            a.append(load(ours, kind, self.args.seconds, **options))
            if peer:
                b.append(load(peer, kind, self.args.seconds, **options))
        self.add(name, medians(a), medians(b) if peer else None, goal)

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
                        f"core, loader on another.\n\n{self.text()}")


def figures(run):
    return f"{run['ops_per_s']:,.0f} · {run['cpu_us']:.2f} µs · p99 {run['p99_us']:.0f}"


def comparison(name, ours, peer, goal):
    text = f"| {name} | {figures(ours)} |"
    if peer:
        text += (f" {figures(peer)} | {ours['ops_per_s'] / peer['ops_per_s']:.2f}"
                 f" | {ours['cpu_us'] / peer['cpu_us']:.2f}"
                 f" | {ours['p99_us'] / max(peer['p99_us'], 1):.2f} |")
    else:
        text += " – | – | – | – |"
    return text + f" {goal} |"
