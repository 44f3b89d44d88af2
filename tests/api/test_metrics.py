#!/usr/bin/env python3
"""What /metrics says is what Prometheus reads: promtool looks at it after every dialect was used."""

import shutil
import subprocess
import sys

from node import Node, expect, run


def test_promtool():
    if shutil.which("promtool") is None:
        print("skipped: promtool is not installed")
        return
    with Node() as node:
        for method, path, body in (("PUT", "/kv/a", "1"), ("POST", "/b", "2"), ("GET", "/nothing", None),
                                   ("GET", "/api/v1/status", None),
                                   ("PUT", "/api/v1/tables/kv/keys/c", "3")):
            expect(True, node.request(method, path, body).status < 500, path)
        metrics = node.request("GET", "/metrics")
        expect(200, metrics.status)
        checked = subprocess.run(["promtool", "check", "metrics"], input=metrics.body, timeout=120,
                                 capture_output=True, check=False)
        expect((0, ""), (checked.returncode, (checked.stdout + checked.stderr).decode()))


if __name__ == "__main__":
    sys.exit(run([test_promtool]))
