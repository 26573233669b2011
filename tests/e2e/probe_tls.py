"""TLS in front of a server, with each usual fault. Run by probe.py."""
import contextlib
import ssl

from checks import test
from probe_proxies import MAP, ALL_OK, expect, frontend, haproxy, location, nginx, server
from probe_rig import SLOWER, authority, free_port, need, need_tls, probe, running, serving
from probe_servers import switching

ALL_OF_TLS = ALL_OK | {"tls", "certificate", "alpn"}


@contextlib.contextmanager
def tls_server(certificate, key, behave=switching(), alpn=("http/1.1",), prepare=lambda context: None):
    """A WebSocket server behind Python's ssl. prepare: changes its context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    prepare(context)

    def shaking(connection):
        with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as secure:
            behave(secure)
    with serving(shaking) as port:
        yield port


def old_versions(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1


@test(seconds=40)
def each_fault_of_a_certificate_is_named():
    need_tls()
    with authority() as ca, authority() as other:
        table = [
            ("right", ca.issue(), [], []),
            ("expired", ca.issue(end="20210101000000Z"), ["certificate-expired"], ["2021"]),
            ("not yet valid", ca.issue(start="20400101000000Z"), ["certificate-not-yet"], ["2040"]),
            ("for other names", ca.issue("DNS:example.com,DNS:*.example.org,IP:10.0.0.1"), ["certificate-name"], ["example.com, *.example.org, 10.0.0.1", "localhost"]),
            ("of an unknown authority", other.issue(), ["certificate-authority"], ["Test Authority"]),
            ("self-signed", ca.self_signed(), ["certificate-self-signed"], ["localhost"]),
            ("expired and for another name", ca.issue("DNS:example.com", end="20210101000000Z"), ["certificate-expired", "certificate-name"], []),
        ]
        for what, files, faults, says in table:
            with tls_server(*files) as port:
                url = f"wss://localhost:{port}/"
                seen = probe("--ca", ca.certificate, url)
                try:
                    expect(seen, *faults, status=1 if faults else 0, says=says)
                    # It goes on, to say what else is wrong: here nothing is.
                    wrong = {name for name, mark in seen.marks().items() if mark != "ok"}
                    assert wrong == ({"certificate"} if faults else set()) and ALL_OF_TLS <= set(seen.marks()), seen
                    assert seen.seconds < 3 * SLOWER, seen
                    expect(probe("--ca", ca.certificate, "--insecure", url), status=0)
                except AssertionError as trouble:
                    raise AssertionError(f"{what}: {trouble}") from None
        with tls_server(*ca.issue()) as port:
            expect(probe("--ca", ca.certificate, f"wss://127.0.0.1:{port}/"), status=0)  # an address among the names
            expect(probe(f"wss://localhost:{port}/"), "certificate-authority")  # the system's authorities don't know it
        with tls_server(*ca.self_signed()) as port:
            expect(probe("--ca", f"{ca.path}/self.pem", f"wss://localhost:{port}/"), status=0)


@test
def secrets_are_not_sent_to_a_server_that_nobody_vouches_for():
    need_tls()
    heads = []

    def behave(connection):
        data = connection.recv(65536)
        heads.append(data)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    with authority() as ca, tls_server(*ca.self_signed(), behave) as port:
        seen = probe("--header", "Authorization: Basic YTpi", f"wss://localhost:{port}/")
        assert "fields-withheld" in seen.findings and b"YTpi" not in heads[0], (seen, heads)
        seen = probe("--header", "Authorization: Basic YTpi", "--insecure", f"wss://localhost:{port}/")
        assert "fields-withheld" not in seen.findings and b"Authorization: Basic YTpi\r\n" in heads[1], (seen, heads)


@test(seconds=30)
def old_versions_client_certificates_and_an_ALPN_without_us_are_named():
    need_tls()

    def wanting(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca.certificate)

    def wanting_1_2(context):
        wanting(context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    with authority() as ca:
        files = ca.issue()
        with tls_server(*files, prepare=old_versions, alpn=None) as port:
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/"), "tls-old", status=2, says=["TLSv1'"], mends=["ssl_protocols TLSv1.2 TLSv1.3;"])
            assert "TLSv1 would do" in seen.check("tls")["detail"], seen
        with tls_server(*files, prepare=wanting) as port:
            expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/"), "tls-client-certificate", status=2)
        with tls_server(*files, prepare=wanting_1_2) as port:
            seen = probe("--ca", ca.certificate, f"wss://localhost:{port}/")
            assert seen.faults in (["tls-client-certificate"], ["tls-failed"]) and seen.status == 2, seen  # 1.2 has no alert of its own for it
        # HAProxy goes on in HTTP/1.1 where no protocol is in common; s_server sends an alert.
        with haproxy(frontend(1, bind=f"ssl crt {files[0].replace('.pem', '.all')} alpn h2", retries=0)) as port:
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/echo"), "backend-down")
            assert "http2-chosen" in seen.findings, seen
        port = free_port()
        with running([need("openssl"), "s_server", "-quiet", "-alpn", "h2", "-accept", f"127.0.0.1:{port}", "-cert", files[0], "-key", files[1]], [port]):
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/"), "http2-only", status=2, says=["offered http/1.1 alone on a second connection"],
                          mends=["Protocols http/1.1"])
            assert seen.marks()["alpn"] == "fault", seen


@test(seconds=40)
def TLS_where_plain_is_meant_and_the_reverse_are_named(node):
    need_tls()
    with authority() as ca:
        certificate, key = ca.issue()
        tls = f"ssl_certificate {certificate}; ssl_certificate_key {key}; " + location(node.port)
        with nginx(server(tls, "127.0.0.1:PORT ssl") + server(location(node.port), "127.0.0.1:PORT2"), MAP, port_count=2) as (secure, plain):
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{secure}/echo"), status=0)
            assert {mark for mark in seen.marks().values()} == {"ok"} and seen.seconds < 3 * SLOWER, seen
            expect(probe(f"ws://localhost:{secure}/echo"), "plain-to-tls", says=["sent to HTTPS port"], mends=["Use wss://"])
            expect(probe(f"wss://localhost:{plain}/echo"), "tls-to-plain", status=2, says=["HTTP/1.1 400"], mends=["Use ws://", "listen 443 ssl;"])
        with haproxy(frontend(node.port, bind=f"ssl crt {certificate.replace('.pem', '.all')}")) as port:
            expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/echo"), status=0)
            expect(probe(f"ws://localhost:{port}/echo"), "plain-to-tls", mends=["Use wss://"])
        with haproxy(frontend(node.port)) as port:
            expect(probe(f"wss://localhost:{port}/echo"), "tls-to-plain", status=2)
        expect(probe(f"wss://localhost:{node.port}/echo"), "tls-to-plain", status=2)
        with serving(lambda connection: connection.recv(9999) and None) as port:
            expect(probe(f"wss://localhost:{port}/echo"), "tls-cut", status=2)
