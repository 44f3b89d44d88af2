#!/usr/bin/env python3
"""TLS as clients see it: curl, openssl s_client, redis-cli and Python's ssl, over HTTP and RESP, beside
plain text on the same port; certificates of clients; what is refused, and how clearly."""

import os
import re
import shutil
import ssl
import stat
import subprocess
import sys

from node import Node, environment, expect, program, run
from tls import Files, TlsNode, TlsRedis, context, curl, poll, run_client

V12 = ssl.TLSVersion.TLSv1_2
V13 = ssl.TLSVersion.TLSv1_3


def has(text, *parts):
    for part in parts:
        expect(True, part in text, "%r in %s" % (part, text))


# ---- the command -----------------------------------------------------------------------------


def test_cert_command():
    with Files() as files:
        folder = files.path("new/folder")
        command = [program(), "cert", "--self-signed", folder]
        code, text = run_client(*command)
        expect(0, code, text)
        has(text, "--tls-cert", "curl --cacert")
        before = {}
        for name in ("cert.pem", "key.pem"):
            path = os.path.join(folder, name)
            expect(0o600, stat.S_IMODE(os.stat(path).st_mode), name)
            with open(path, "rb") as file:
                before[name] = file.read()
        certificate = os.path.join(folder, "cert.pem")
        for check, answer in (("-checkhost", "localhost"), ("-checkip", "127.0.0.1"),
                              ("-checkip", "::1")):
            has(run_client("openssl", "x509", "-noout", "-in", certificate, check, answer)[1],
                "does match")
        has(run_client("openssl", "verify", "-CAfile", certificate, certificate)[1], "OK")
        code, text = run_client(*command)
        expect(1, code, text)
        has(text, "holdfast: ", "exists already and is not overwritten")
        os.remove(certificate)  # the key alone is kept too
        expect(1, run_client(*command)[0])
        expect(False, os.path.exists(certificate))
        with open(os.path.join(folder, "key.pem"), "rb") as file:
            expect(before["key.pem"], file.read())
        for wrong in ([], ["--self-signed"], [folder], ["--self-signed", folder, "more"]):
            expect(2, run_client(program(), "cert", *wrong)[0], wrong)


def refused(*options):
    """The sentence with which a start with these settings is refused."""
    done = subprocess.run([program(), "serve", "--engine", "memory", "--listen", "127.0.0.1:0",
                           *options], capture_output=True, text=True, timeout=120, check=False,
                          env=environment())
    expect(1, done.returncode, done.stderr)
    return done.stderr.splitlines()[-1]


def test_start_is_refused():
    with Files() as files:
        files.make("a", "b")
        pair = ["--tls-cert", files.path("a.pem"), "--tls-key", files.path("a.key")]
        has(refused("--tls-cert", files.path("a.pem")), "only useful together")
        has(refused("--tls-key", files.path("a.key")), "only useful together")
        has(refused("--tls-only"), "--tls-only needs --tls-cert")
        has(refused("--tls-client-auth", "require"), "--tls-client-auth needs --tls-cert")
        has(refused(*pair, "--tls-client-auth", "require"), "--tls-client-ca")
        has(refused(*pair, "--tls-client-ca", files.path("a.pem")), "--tls-client-auth")
        has(refused(*pair, "--tls-client-auth", "perhaps"), "none|request|require")
        has(refused("--tls-cert", files.path("a.pem"), "--tls-key", files.path("b.key")),
            "does not fit")
        has(refused("--tls-cert", files.path("none"), "--tls-key", files.path("a.key")),
            "No such file")
        has(refused("--tls-cert", files.folder, "--tls-key", files.path("a.key")), "is not a file")
        has(refused(*pair, "--tls-client-auth", "request", "--tls-client-ca",
                    files.path("a.key")), "holds no certificate")
        # Beyond this machine only with authentication. Nobody has that address: see RFC 5737.
        beyond = ["--listen", "192.0.2.1:0"]
        has(refused(*pair, *beyond), "--tls-only with --tls-client-auth require")
        ask = ["--tls-client-ca", files.path("a.pem"), "--tls-client-auth"]
        has(refused(*pair, *beyond, "--tls-only", *ask, "request"), "without authentication")
        has(refused(*pair, *beyond, *ask, "require"), "without authentication")
        has(refused(*pair, *beyond, "--tls-only", *ask, "require"), "listen on 192.0.2.1:0")


# ---- one port --------------------------------------------------------------------------------


def test_one_port():
    with Files().make("server") as files, TlsNode(files) as node:
        trusted = files.path("server.pem")
        https = "https://localhost:%d" % node.port
        expect((0, ""), curl("--http1.1", "--cacert", trusted, "-d", "world", https + "/hello"))
        for version in ("1.2", "1.3"):
            expect((0, "world"), curl("--http1.1", "--cacert", trusted, "--tls-max", version,
                                      https + "/hello"))
        expect((0, "world"), curl("--http1.1", "-k", "https://127.0.0.1:%d/hello" % node.port))
        expect((0, "world"), curl("http://localhost:%d/hello" % node.port))
        code, text = curl("--http1.1", https + "/hello")  # nobody has vouched for it
        expect(60, code, text)
        for base, want in ((https, True), ("http://localhost:%d" % node.port, False)):
            text = curl("-i", "--http1.1", "-k", base + "/hello")[1]
            expect(want, "X-Content-Type-Options: nosniff" in text, text)
        redis = ["redis-cli", "-p", str(node.port)]
        secure = redis + ["--tls", "--cacert", trusted]
        expect((0, "world\n"), run_client(*secure, "get", "hello"))
        expect((0, "OK\n"), run_client(*redis, "set", "hello", "again"))
        expect((0, "again\n"), run_client(*secure, "get", "hello"))
        has(run_client(*secure, "client", "list")[1], " tls=yes")
        poll(lambda: "tls=" not in run_client(*redis, "client", "list")[1],
             "a plain client, when the others are gone")
        expect((0, "PONG\n"), run_client(*secure, "ping"))


def http2_of(port):
    """Whether this build speaks it."""
    return curl("--http2-prior-knowledge", "http://127.0.0.1:%d/healthz" % port)[0] == 0


def test_http2():
    with Files().make("server") as files, TlsNode(files) as node:
        if not http2_of(node.port):
            print("skipped: there is no HTTP/2 in this build")
            return
        https = "https://localhost:%d" % node.port
        ask = ["--cacert", files.path("server.pem"), "-w", " %{http_version}"]
        expect((0, " 2"), curl(*ask, "-d", "world", https + "/hello"))
        expect((0, "world 2"), curl(*ask, https + "/hello"))
        expect((0, "world 1.1"), curl(*ask, "--http1.1", https + "/hello"))
        big = "x" * 3000000
        with open(files.path("big"), "w", encoding="ascii") as file:
            file.write(big)
        expect((0, " 2"), curl(*ask, "--data-binary", "@" + files.path("big"), https + "/big"))
        expect((0, big + " 2"), curl(*ask, https + "/big"))
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2")):
            tls = context(files.path("server.pem"), alpn=offered)
            with TlsRedis(node, tls) as client:
                expect(chosen, client.socket.selected_alpn_protocol())


def test_much():
    """Values larger than a record, and more commands than fit into one, both ways."""
    with Files().make("server") as files, TlsNode(files) as node:
        for version in (V12, V13):
            with TlsRedis(node, context(files.path("server.pem"), version=version)) as client:
                for size in (1, 16383, 16384, 16385, 100000, 5000000):
                    value = os.urandom(size)
                    client.send(("SET", "v", value), ("GET", "v"))
                    expect([b"OK", value], [client.read(), client.read()], size)
                client.send(*[("SET", "k%d" % i, "v%d" % i) for i in range(10000)])
                for _ in range(10000):
                    expect(b"OK", client.read())
                client.send(*[("GET", "k%d" % i) for i in range(10000)])
                for i in range(10000):
                    expect(b"v%d" % i, client.read())
                for byte in b"*1\r\n$4\r\nPING\r\n":  # a record for each
                    client.socket.sendall(bytes([byte]))
                expect(b"PONG", client.read())


def test_end():
    """A client that says it sends no more gets what it has asked, then the end."""
    with Files().make("server") as files, TlsNode(files) as node:
        with TlsRedis(node, context(files.path("server.pem"))) as client:
            client.send(("SET", "a", "x" * 100000), ("GET", "a"), ("QUIT",))
            expect([b"OK", b"x" * 100000, b"OK"], [client.read() for _ in range(3)])
            expect(b"", client.replies.read())  # the end as TLS says it; else an exception
        code, text = run_client("openssl", "s_client", "-quiet", "-connect",
                                "localhost:%d" % node.port, "-CAfile", files.path("server.pem"),
                                input_text="PING\r\nQUIT\r\n")
        expect(0, code, text)
        has(text, "+PONG", "+OK")


# ---- openssl s_client ------------------------------------------------------------------------


def s_client(node, *arguments, input_text="Q\n"):
    return run_client("openssl", "s_client", "-connect", "localhost:%d" % node.port, *arguments,
                      input_text=input_text)


def test_s_client():
    with Files().make("server") as files, TlsNode(files) as node:
        trust = ["-CAfile", files.path("server.pem"), "-verify_return_error"]
        for version in ("-tls1_2", "-tls1_3"):
            code, text = s_client(node, *trust, version, "-alpn", "http/1.1")
            expect(0, code, text)
            has(text, "Verify return code: 0 (ok)", "ALPN protocol: http/1.1",
                "Secure Renegotiation IS " + ("supported" if version == "-tls1_2" else "NOT"),
                "Compression: NONE", "TLSv1." + version[-1])
        for version in ("-tls1", "-tls1_1"):
            code, text = s_client(node, version, "-cipher", "DEFAULT:@SECLEVEL=0")
            expect(True, code != 0, text)
            has(text, "alert protocol version")
        for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256", "NULL", "aNULL"):
            expect(True, s_client(node, "-tls1_2", "-cipher", weak + ":@SECLEVEL=0")[0] != 0, weak)
        text = s_client(node, "-tls1_2", "-reconnect")[1]
        expect(5, text.count("Reused, TLSv1.2"), text)
        session = files.path("session")
        s_client(node, "-tls1_3", "-sess_out", session, "-ign_eof",
                 input_text="PING\r\nQUIT\r\n")
        has(s_client(node, "-tls1_3", "-sess_in", session)[1], "Reused, TLSv1.3")
        expect(0, node.metric("holdfast_tls_handshakes_total{result=\"resumed\"}") - 6)
        # "R" asks for a renegotiation.
        code, text = s_client(node, "-tls1_2", input_text="R\n")
        has(text, "no renegotiation")


# ---- only TLS --------------------------------------------------------------------------------


def test_tls_only():
    with Files().make("server") as files, TlsNode(files, "--tls-only") as node:
        plain = "http://localhost:%d" % node.port
        code, text = curl("-i", plain + "/hello")
        expect(0, code, text)
        has(text, "HTTP/1.1 400", "application/problem+json", "only TLS is spoken here: use https")
        with node.redis() as client:
            client.send(("SET", "a", "b"))
            expect("ERR only TLS is spoken here", str(client.read()))
        has(run_client("redis-cli", "-p", str(node.port), "ping")[1], "only TLS is spoken here")
        code, text = curl("--http1.1", "--cacert", files.path("server.pem"),
                          "https://localhost:%d/healthz" % node.port)
        expect(0, code, text)
        with TlsRedis(node, context(files.path("server.pem"))) as client:
            client.send(("GET", "a"))
            expect(None, client.read())


def test_no_certificate():
    """A TLS client of a node that has none is sent away at once."""
    with Node("--engine", "memory", data=False) as node:
        code, text = curl("-k", "https://localhost:%d/" % node.port)
        expect(35, code, text)


# ---- certificates of clients -----------------------------------------------------------------


def is_let_in(node, version, own):
    try:
        with TlsRedis(node, context(version=version, own=own)) as client:
            client.ping()
        return True
    except (ssl.SSLError, ConnectionError):
        return False


def test_client_certificates():
    with Files().make("server", "alice", "stranger") as files:
        for auth, let_in in (("none", (True, True, True)), ("request", (True, True, False)),
                             ("require", (False, True, False))):
            ask = [] if auth == "none" else ["--tls-client-ca", files.path("alice.pem")]
            with TlsNode(files, "--tls-client-auth", auth, *ask, "--log-level", "debug") as node:
                for version in (V12, V13):
                    for who, want in zip((None, "alice", "stranger"), let_in):
                        own = None if who is None else files.path(who)
                        expect(want, is_let_in(node, version, own), (auth, version, who))
                if auth == "require":
                    check_clients(files, node)
                if auth != "none":
                    node.wait_logged("certificate verify failed")


def check_clients(files, node):
    https = "https://localhost:%d/hello" % node.port
    trust = ["--http1.1", "--cacert", files.path("server.pem")]
    expect((0, ""), curl(*trust, "--cert", files.path("alice.pem"), "--key",
                         files.path("alice.key"), "-d", "hi", https))
    code, text = curl(*trust, https)
    expect(True, code != 0, text)
    expect((0, "PONG\n"),
           run_client("redis-cli", "-p", str(node.port), "--tls", "--cacert",
                      files.path("server.pem"), "--cert", files.path("alice.pem"), "--key",
                      files.path("alice.key"), "ping"))
    node.wait_logged('subject="CN=localhost"')


# ---- judged by others ------------------------------------------------------------------------


def test_testssl():
    tool = shutil.which("testssl") or shutil.which("testssl.sh")
    if tool is None:
        print("skipped: testssl is not installed")
        return
    with Files().make("server") as files, TlsNode(files) as node:
        report = files.path("report.json")
        # All but the simulation of clients, which takes longest and judges nothing.
        subprocess.run([tool, "-p", "-s", "-f", "-P", "-S", "-h", "-U", "--quiet", "--warnings", "off", "--color", "0", "--ip", "127.0.0.1",
                        "--add-ca", files.path("server.pem"), "--jsonfile", report,
                        "localhost:%d" % node.port], check=False, timeout=1200,
                       stdout=subprocess.DEVNULL, env=environment())
        text = files.read("report.json").decode()
        findings = re.findall(r'"id"\s*:\s*"([^"]*)".*?"severity"\s*:\s*"([^"]*)"', text, re.S)
        expect(True, len(findings) > 50, text[-2000:])
        # A certificate for development says nothing about itself to the world.
        private = ("cert_trust", "cert_chain_of_trust", "cert_revocation", "cert_crlDistribution",
                   "cert_ocspURL", "overall_grade", "grade_cap_reason", "scanProblem")
        bad = [f for f in findings if f[1] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
               and not f[0].startswith(private)]
        expect([], bad)


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "*")
    sys.exit(run([test_cert_command, test_start_is_refused, test_one_port, test_http2, test_much,
                  test_end, test_s_client, test_tls_only, test_no_certificate,
                  test_client_certificates, test_testssl]))
