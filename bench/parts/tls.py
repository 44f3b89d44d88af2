"""TLS 1.3 with one certificate, curve and cipher: on kept connections, and handshakes alone."""
import pathlib
import subprocess

from lib.loaders import fill, handshakes, load
from lib.report import Goal
from lib.servers import CPUS, HOLDFAST, Server, free_port, holdfast, nginx
from parts.unary import POINT, compare, ours_of, start_nginx

LOADERS = CPUS[1:] if len(CPUS) > 1 else CPUS


def certificate(folder):
    """(certificate, key): P-256, as a public site has it."""
    files = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def redis_tls(folder, cert, key):
    port = free_port()
    return Server(["redis-server", "--port", 0, "--tls-port", port, "--bind", "127.0.0.1", "--dir",
                   folder, "--save", "", "--tls-cert-file", cert, "--tls-key-file", key,
                   "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"], port)


def own_folder(folder, name):
    path = pathlib.Path(folder) / name
    path.mkdir()
    return path


def has_flag(name):
    text = subprocess.run([HOLDFAST, "serve", "--help"], capture_output=True, text=True,
                          check=False).stdout
    return name in text


def kept(report, ours, static, plain, redis):
    def run(server, kind):
        return lambda: load(server, kind, report.args.seconds, k=10000, p="/kv/", T=True)

    report.alternate("TLS, RESP GET; Redis", run(ours, "resp-get"), run(redis, "resp-get"), "")
    report.alternate("TLS, RESP GET; nginx, HTTP GET", run(ours, "resp-get"), run(plain, "http-get"),
                     Goal(throughput=0.9))
    report.alternate("TLS, HTTP GET; nginx", run(ours, "http-get"), run(plain, "http-get"),
                     Goal(throughput=0.9))
    compare(report, "TLS, gRPC get, 10 × 10", "get", ours_of(ours, POINT, tls=True), static,
            Goal(throughput=0.9))


def tls(report, args, folder):
    if not has_flag("--tls-cert"):
        report.skip("TLS", "we do not speak it yet")
        return
    cert, key = certificate(folder)
    secure = f"ssl_protocols TLSv1.3; ssl_certificate {cert}; ssl_certificate_key {key};"
    servers = [holdfast(None, "--tls-cert", cert, "--tls-key", key),
               nginx(own_folder(folder, "plain"), "ssl", secure), redis_tls(folder, cert, key)]
    ours, plain, redis = servers
    static = start_nginx(own_folder(folder, "static"), "ssl http2", secure)
    servers.append(static.server)
    try:
        for server in (ours, redis):
            fill(server, 10000, T=True)
        kept(report, ours, static, plain, redis)
        for kind in ("new", "resumed"):
            report.alternate(f"TLS 1.3 handshakes, {kind}",
                             lambda: handshakes(ours, kind, args.seconds, LOADERS),
                             lambda: handshakes(plain, kind, args.seconds, LOADERS),
                             Goal(throughput=0.9))
    finally:
        for server in servers:
            server.stop()
