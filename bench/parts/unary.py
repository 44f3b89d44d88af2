"""One gRPC call at a time on each stream: get, put and range, against etcd and nginx over HTTP/2.

h2load sends one request again and again, so gets are of one key, puts of one key; the tables hold
KEYS others. It counts HTTP's status, which gRPC's errors do not change: each server's answers are
read once before it is measured. A range has an end, since etcd counts all keys whatever the limit;
an open one, in which each shard has far more rows than are asked for, has no peer.
"""
import sys

from lib.dialects import Etcd, Native, Regatta, Strato
from lib.loaders import fill, h2load
from lib.messages import Refused, call, fetch, framed, message, unframed
from lib.report import Goal
from lib.servers import CPUS, etcd, etcd_version, holdfast, nginx

KEYS = 10000
ROWS = 50
VALUE = b"x" * 64
TWO_LOADERS = CPUS[2:4] if len(CPUS) >= 4 else CPUS[-1:]

# What performance-notes measured for etcd 3.7, for goals in parts of it when another is the peer.
ETCD_37_US = {"get": 27.5, "put": 47.5, "range": 74.0}
UNIMPLEMENTED = "12"

# In order of preference.
POINT = [Native(), Strato()]


def key(number):
    return b"key:%012d" % number


class Target:
    """A server that speaks a dialect, whose answers are checked before they are counted."""

    def __init__(self, server, dialect, tls=False):
        self.server, self.dialect, self.tls = server, dialect, tls

    def ask(self, request):
        return call(self.server.port, *request, tls=self.tls)

    def request(self, kind):
        """The request for get, put, range or open range; ends the bench when its answer is wrong."""
        d = self.dialect
        if "range" in kind:
            request = d.range(key(0), key(KEYS if kind == "open range" else ROWS), ROWS)
            seen = d.rows(self.ask(request))
            wanted = [(key(i), VALUE) for i in range(ROWS)]
        else:
            self.ask(d.put(key(7), VALUE))
            request = d.get(key(7)) if kind == "get" else d.put(key(7), VALUE)
            seen, wanted = d.value(self.ask(d.get(key(7)))[0]), VALUE
        if seen != wanted:
            sys.exit(f"{d.name} answers a {kind} with {seen!r}")
        return request

    def measure(self, request, report, connections, streams, cpus=None):
        return lambda: h2load(self.server, *request, report.args.seconds, connections, streams,
                              self.tls, cpus)


class Static(Target):
    """nginx, which answers everything alike."""

    def __init__(self, server, tls=False):
        super().__init__(server, None, tls)

    def request(self, kind):
        """nginx answers before it has read a body, and curl reads no trailer behind a known length."""
        url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server.port}/"
        status, _, answer = fetch(url)
        if kind != "get" or status != "200" or Strato().value(unframed(answer)[0]) != VALUE:
            sys.exit("nginx does not answer like a get")
        return Strato().get(key(7))


def speaks(server, dialect, tls):
    """Does the server have this dialect's services?"""
    try:
        call(server.port, *dialect.get(key(0)), tls=tls)
    except Refused as refused:
        return refused.status not in (UNIMPLEMENTED, "missing")
    return True


def ours_of(server, dialects, tls=False):
    """The first of `dialects` that the server speaks, or None."""
    for dialect in dialects:
        if speaks(server, dialect, tls):
            return Target(server, dialect, tls)
    return None


def fill_in_order(target):
    for first in range(0, KEYS, 100):
        target.ask(target.dialect.puts([(key(i), VALUE) for i in range(first, first + 100)]))
    return target


def start_etcd(folder):
    return fill_in_order(Target(etcd(folder), Etcd()))


def ordered(server):
    """A table in one shard, which is what etcd has; None while we do not have the calls."""
    target = Target(server, Native(b"ordered"))
    if not speaks(server, target.dialect, False):
        return None
    target.ask(target.dialect.create("memory"))
    return fill_in_order(target)


def start_nginx(folder, listen="http2", server=""):
    """Answers with the body and the trailer of a get."""
    head = "default_type application/grpc; add_trailer grpc-status 0 always;"
    answer = framed(message({1: message({1: VALUE})})).decode()
    return Static(nginx(folder, listen, head + server, answer), tls="ssl" in listen)


def compare(report, name, kind, ours, peer, goal, connections=10, streams=10, cpus=None):
    if not report.wants(name):
        return
    if ours is None:
        report.skip(name, "we do not speak it yet")
        return
    runs = [target.measure(target.request(kind), report, connections, streams, cpus)
            if target else None for target in (ours, peer)]
    title = f"{name} ({ours.dialect.name}; {peer_name(peer)})"
    report.alternate(title, *runs, goal)


def peer_name(peer):
    if peer is None:
        return "no peer"
    return "nginx" if peer.dialect is None else "etcd %d.%d" % etcd_version()


def etcd_goal(kind, part, part_of_34=0):
    """CPU at most 1 / `part` of etcd 3.7's, as it is here or as it was measured before."""
    version = etcd_version()
    if version is None or version >= (3, 5):
        return Goal(cpu=1 / part)
    return Goal(cpu=part_of_34, cpu_us=ETCD_37_US[kind] / part,
                note=f" (1/{part} of etcd 3.7 as measured before)")


def memory(report, args, folder):
    ours = holdfast()
    fill(ours, KEYS)
    point = ours_of(ours, POINT)
    in_order = ordered(ours)
    regatta = in_order and ours_of(ours, [Regatta(b"ordered")])
    static = start_nginx(folder)
    other = start_etcd(folder) if etcd_version() else None
    if other is None:
        report.skip("etcd", "not installed, and BENCH_ETCD names none")
    try:
        compare(report, "gRPC get, 10 × 10", "get", point, other, etcd_goal("get", 8, 1 / 30))
        compare(report, "gRPC get, 10 × 10", "get", point, static, Goal(cpu=0.7))
        compare(report, "gRPC put, memory, 10 × 10", "put", point, other, etcd_goal("put", 12))
        compare(report, "gRPC get, 100 × 1", "get", point, static, Goal(throughput=1.5),
                100, 1, TWO_LOADERS)
        name = f"gRPC range of {ROWS} rows, 10 × 10"
        compare(report, name, "range", in_order, other, etcd_goal("range", 8))
        compare(report, name, "range", regatta, other, etcd_goal("range", 8))
        compare(report, f"gRPC range of {ROWS} rows over 16 shards, 10 × 10", "range",
                ours_of(ours, [Native()]), other, "")
        compare(report, f"gRPC open range of {ROWS} rows over 16 shards, 10 × 10", "open range",
                ours_of(ours, [Native()]), None, "")
    finally:
        for target in (static, other):
            if target:
                target.server.stop()
        ours.stop()


def durable(report, args, folder):
    ours = holdfast(f"{folder}/ours")
    point = ours_of(ours, POINT)
    other = start_etcd(folder) if etcd_version() else None
    if other is None:
        report.skip("durable gRPC put", "no etcd")
    try:
        compare(report, "gRPC durable put, 1 in flight", "put", point, other, Goal(throughput=1.6),
                1, 1)
        compare(report, "gRPC durable put, 100 in flight", "put", point, other, Goal(throughput=5))
    finally:
        if other:
            other.server.stop()
        ours.stop()
