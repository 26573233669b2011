"""What the probe's tests share: the program, proxies with configurations of their own, certificates, servers in plain Python."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import node as nodes
from checks import SANITIZED, Skipped

SLOWER = 4 if SANITIZED else 1
LOCALHOST_IS_TWO = any(each[4][0] == "::1" for each in socket.getaddrinfo("localhost", 80))


def program():
    return os.path.join(os.path.dirname(nodes.program()), "wye-probe")


class Seen:
    """What a run of the probe said."""

    def __init__(self, args, status, output, errors, seconds):
        self.args, self.status, self.output, self.errors, self.seconds = args, status, output, errors, seconds
        self.json = json.loads(output) if "--json" in args else None
        if self.json and LOCALHOST_IS_TWO:
            self._forget_the_other_localhost()

    def _forget_the_other_localhost(self):
        """Servers here listen on 127.0.0.1 alone; that localhost is [::1] as well, as on most machines, is no fault of theirs."""
        mine = [each for each in self.json["findings"] if each["id"] == "address-passed-by" and each["evidence"].startswith("[::1]:")]
        self.json["findings"] = [each for each in self.json["findings"] if each not in mine]
        for check in self.json["checks"]:
            if mine and check["id"] == "tcp" and check["mark"] == "note":
                check["mark"] = "ok"

    @property
    def findings(self):
        return [each["id"] for each in self.json["findings"]]

    @property
    def faults(self):
        return [each["id"] for each in self.json["findings"] if each["weight"] == "fault"]

    def finding(self, name):
        return next(each for each in self.json["findings"] if each["id"] == name)

    def check(self, name):
        return next((each for each in self.json["checks"] if each["id"] == name), None)

    def marks(self):
        return {each["id"]: each["mark"] for each in self.json["checks"]}

    def __str__(self):
        shown = json.dumps(self.json, indent=1) if self.json else self.output
        return f"{' '.join(self.args)}: exit status {self.status} after {self.seconds:.2f} s\n{shown}\n{self.errors}"


def probe(*args, seconds=20, text=False):
    """Runs the probe, with --json unless text is asked for. Sanitizers' reports fail the test."""
    args = list(args) if text else ["--json", *args]
    begun = time.monotonic()
    done = subprocess.run([program(), *args], capture_output=True, text=True, timeout=seconds * SLOWER, stdin=subprocess.DEVNULL,
                          preexec_fn=nodes.die_with_parent)
    took = time.monotonic() - begun
    assert done.stderr == "", f"{args}: {done.stderr}"
    return Seen(args, done.returncode, done.stdout, done.stderr, took)


def free_port():
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return probe_socket.getsockname()[1]


def need(name):
    for folder in (None, "/usr/sbin", "/usr/bin"):
        found = shutil.which(name, path=folder)
        if found:
            return found
    raise Skipped(f"{name} isn't installed")


def need_tls():
    if "without TLS" in subprocess.run([program(), "--version"], capture_output=True, text=True, timeout=20).stdout:
        raise Skipped("built without TLS")


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="wye-probe-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(command, ports, log=None):
    """A server of somebody else's: waits until its ports answer, and ends it by its pid."""
    output = open(log, "wb") if log else subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, preexec_fn=nodes.die_with_parent)
    try:
        end = time.monotonic() + 10 * SLOWER
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > end:
                        said = open(log).read()[-2000:] if log else ""
                        raise RuntimeError(f"{command[0]} didn't become ready: {process.poll()} {said}") from None
                    time.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if log:
            output.close()


@contextlib.contextmanager
def nginx(servers, http="", port_count=1):
    """servers: server blocks; PORT, PORT2 stand for free ports. Yields the ports."""
    binary = need("nginx")
    ports = [free_port() for _ in range(port_count)]
    with folder() as path:
        for number in range(port_count, 0, -1):
            servers = servers.replace(f"PORT{number}" if number > 1 else "PORT", str(ports[number - 1]))
        temporary = "".join(f"{kind}_temp_path {path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = f"daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log {path}/error.log;\nevents {{ worker_connections 64; }}\n" \
                 f"http {{\naccess_log off;\n{temporary}{http}\n{servers}\n}}\n"
        with open(f"{path}/nginx.conf", "w") as file:
            file.write(config)
        with running([binary, "-p", path, "-c", f"{path}/nginx.conf", "-e", f"{path}/error.log"], ports, f"{path}/out"):
            yield ports if port_count > 1 else ports[0]


@contextlib.contextmanager
def haproxy(config):
    """config: behind `defaults`; PORT stands for a free port. Yields it."""
    binary = need("haproxy")
    port = free_port()
    with folder() as path:
        with open(f"{path}/haproxy.cfg", "w") as file:
            file.write("global\n  maxconn 100\n" + config.replace("PORT", str(port)))
        with running([binary, "-db", "-f", f"{path}/haproxy.cfg"], [port], f"{path}/out"):
            yield port


# ---- certificates, made by a process of its own: ours have BoringSSL alone ----

def openssl(*args):
    done = subprocess.run([need("openssl"), *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"openssl {' '.join(args)}: {done.stderr}"
    return done.stdout


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, path):
        self.path = path
        self.key, self.certificate = f"{path}/ca.key", f"{path}/ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.certificate,
                "-subj", "/CN=Test Authority", "-days", "30")
        self.number = 0
        os.makedirs(f"{path}/db", exist_ok=True)
        open(f"{path}/db/index.txt", "w").close()
        with open(f"{path}/ca.conf", "w") as file:
            file.write(f"[ca]\ndefault_ca = c\n[c]\ndatabase = {path}/db/index.txt\nnew_certs_dir = {path}/db\ncertificate = {self.certificate}\n"
                       f"private_key = {self.key}\nrand_serial = yes\ndefault_md = sha256\npolicy = p\ncopy_extensions = copy\nunique_subject = no\n"
                       "[p]\ncommonName = supplied\n")

    def issue(self, names="DNS:localhost,IP:127.0.0.1", start=None, end=None, curve="P-256"):
        """(certificate, key) files. start, end: like 20200101000000Z."""
        self.number += 1
        base = f"{self.path}/leaf{self.number}"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.csr",
                "-subj", "/CN=leaf", "-addext", f"subjectAltName={names}")
        dates = ["-startdate", start or "20200101000000Z", "-enddate", end or "20450101000000Z"]
        openssl("ca", "-config", f"{self.path}/ca.conf", "-batch", "-notext", "-in", f"{base}.csr", "-out", f"{base}.pem", *dates)
        with open(f"{base}.all", "w") as both:
            both.write(open(f"{base}.pem").read() + open(f"{base}.key").read())
        return f"{base}.pem", f"{base}.key"

    def self_signed(self):
        base = f"{self.path}/self"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.pem",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "30")
        return f"{base}.pem", f"{base}.key"


@contextlib.contextmanager
def authority():
    with folder() as path:
        yield Authority(path)


# ---- servers in plain Python ----

@contextlib.contextmanager
def serving(behave, host="127.0.0.1"):
    """Calls behave(socket) for each connection, in threads. Yields the port; what goes wrong in it is the client's doing."""
    listener = socket.create_server((host, 0))
    listener.settimeout(0.02)
    over = threading.Event()

    def guest(connection):
        with connection:
            connection.settimeout(20)
            with contextlib.suppress(OSError, EOFError):
                behave(connection)

    def accept():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=guest, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join()
        listener.close()
