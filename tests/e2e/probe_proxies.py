"""nginx and HAProxy in front of a node, configured right, and with each usual mistake. Run by probe.py."""
import contextlib
import re
import subprocess

from checks import test
from node import Node
from probe_rig import SLOWER, authority, free_port, haproxy, need, need_tls, nginx, probe, program, running

MAP = "map $http_upgrade $cu { default upgrade; '' close; }"
RIGHT = """proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $cu;
    proxy_set_header Host $http_host;"""


def location(node_port, lines=RIGHT, path="/"):
    return f"location {path} {{ proxy_pass http://127.0.0.1:{node_port}; {lines} }}"


def server(body, listen="127.0.0.1:PORT"):
    return f"server {{ listen {listen}; server_name _; {body} }}"


def frontend(node_port, http="", tunnel="timeout tunnel 1h", bind="", backend="", retries=3):
    return f"""
defaults
  mode http
  retries {retries}
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  {tunnel}
frontend f
  bind 127.0.0.1:PORT {bind}
  {http}
  default_backend b
backend b
  {backend}
  server s 127.0.0.1:{node_port}
"""


def nginx_version():
    told = subprocess.run([need("nginx"), "-v"], capture_output=True, text=True).stderr
    return tuple(map(int, re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", told).groups()))


ALL_OK = {"name", "tcp", "sent", "status", "upgrade", "connection", "accept", "subprotocol", "extensions", "ping", "close"}


def expect(seen, *faults, status=1, says=(), mends=()):
    """These faults and no others; their evidence or the server's words have `says`, and their cure has `mends`."""
    assert set(seen.faults) == set(faults), f"expected {faults}, got {seen.faults}\n{seen}"
    assert seen.status == status, seen
    for words in says:
        assert any(words in each["evidence"] or any(words in said for said in each["said"]) for each in seen.json["findings"]), f"{words!r} isn't said\n{seen}"
    for words in mends:
        cures = [each["mend"] + "".join(each.get("lines", {}).values()) for each in seen.json["findings"]]
        assert any(words in cure for cure in cures), f"{words!r} is no cure\n{seen}"
    return seen


def expect_fine(seen):
    expect(seen, status=0)
    wrong = {name: mark for name, mark in seen.marks().items() if mark != "ok"}
    assert not wrong and ALL_OK <= set(seen.marks()), seen
    assert seen.seconds < 3 * SLOWER, f"it took {seen.seconds:.2f} s"
    return seen


# ---- a table of nginx's mistakes: (mistake, configuration, path and options of the probe, faults, what is said, what mends it) ----

NGINX = [
    ("no proxy_http_version 1.1", RIGHT.replace("proxy_http_version 1.1;", ""), ["/echo"],
     ["proxy-http10"], ["An upgrade needs HTTP/1.1; this request says 'HTTP/1.0'"], ["proxy_http_version 1.1;"]),
    ("no Upgrade and Connection lines", "proxy_http_version 1.1; proxy_set_header Host $http_host;", ["/echo"],
     ["proxy-fields-lost"], ["Connection must list 'upgrade'; this request says 'close'"],
     ["proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection $connection_upgrade;"]),
    ("only the Upgrade line", "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;", ["/echo"],
     ["proxy-fields-lost"], ["Connection must list 'upgrade'"], ["proxy_set_header Connection $connection_upgrade;"]),
    ("no lines at all", "", ["/echo"], ["proxy-http10", "proxy-fields-lost"], ["this request says 'HTTP/1.0'"],
     ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;"]),
    ("no Host line", RIGHT.replace("proxy_set_header Host $http_host;", ""), ["/echo", "--origin", "OWN"],
     ["origin"], ["That is another origin than this request's Host"], ["proxy_set_header Host $host;"]),
    ("basic auth", RIGHT + ' auth_basic "the inner ring"; auth_basic_user_file /dev/null;', ["/echo"],
     ["authentication"], ["401 Unauthorized", "the inner ring", "nginx"], ["auth_basic off;", "--header"]),
]


@test(seconds=40)
def each_mistake_of_nginx_is_named_with_its_cure(node):
    body = ""
    for number, (_, lines, *_rest) in enumerate(NGINX):
        body += f"location /m{number}/ {{ rewrite ^/m{number}(/.*)$ $1 break; proxy_pass http://127.0.0.1:{node.port}; {lines} }}\n"
    with nginx(server(body), MAP) as port:
        for number, (mistake, _, (path, *options), faults, says, mends) in enumerate(NGINX):
            options = [f"http://127.0.0.1:{port}" if option == "OWN" else option for option in options]
            seen = probe(*options, f"ws://127.0.0.1:{port}/m{number}{path}")
            try:
                expect(seen, *faults, says=says, mends=mends)
            except AssertionError as trouble:
                raise AssertionError(f"{mistake}: {trouble}") from None
            print(f"     {mistake}: {', '.join(faults)}")


@test
def nginx_configured_right_passes_every_check(node):
    with nginx(server(location(node.port)), MAP) as port:
        seen = expect_fine(probe(f"ws://127.0.0.1:{port}/echo"))
        assert "nginx" in seen.check("status")["detail"], seen
        expect_fine(probe("--origin", f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/echo"))


@test
def HAProxy_configured_right_passes_every_check(node):
    with haproxy(frontend(node.port)) as port:
        expect_fine(probe(f"ws://127.0.0.1:{port}/echo"))


@test
def fields_that_HAProxy_removes_are_named(node):
    with haproxy(frontend(node.port, "http-request del-header upgrade")) as port:
        expect(probe(f"ws://127.0.0.1:{port}/echo"), "proxy-fields-lost", says=["this request has no Upgrade field"], mends=["del-header Upgrade"])
    with haproxy(frontend(node.port, "http-request del-header sec-websocket-key")) as port:
        # HAProxy 2.6 writes a key of its own then, so that the answer is right for another one; others may leave it out.
        seen = probe(f"ws://127.0.0.1:{port}/echo")
        assert seen.faults in (["accept-wrong"], ["websocket-fields-lost"]) and seen.status == 1, seen


@test
def a_wrong_path_a_redirect_and_a_backend_that_is_down_are_named_behind_nginx(node):
    dead = free_port()
    body = (location(node.port, path="/chat/") + location(dead, path="/down") +
            "location /old { return 301 https://$host$request_uri; } location /moved { return 302 /chat/; }"
            "location /page { default_type text/html; return 200 '<html><title>Please log in</title></html>'; }"
            "location /forbidden { return 403; } location /teapot { return 418; } location /busy { return 429; }"
            f"location /cut {{ proxy_pass http://127.0.0.1:{node.port}/other; {RIGHT} }}")
    with nginx(server(body), MAP) as port:
        url = f"ws://127.0.0.1:{port}"
        expect(probe(url + "/nowhere"), "path", says=["404 Not Found", "404 Not Found"], mends=["location /chat"])
        expect(probe(url + "/cut/echo"), "path", says=["/other/echo"], mends=["a path behind the port"])
        expect(probe(url + "/down"), "backend-down", says=["502 Bad Gateway"], mends=["proxy_pass http://127.0.0.1:8080;"])
        expect(probe(url + "/old"), "redirect-https", says=["https://127.0.0.1/old"], mends=["Use wss://"])
        expect(probe(url + "/moved"), "redirect", says=["/chat/"], mends=["Use the new place"])
        expect(probe(url + "/page"), "page", says=["Please log in"], mends=["log in to the network"])
        expect(probe(url + "/forbidden"), "forbidden", says=["403 Forbidden"])
        expect(probe(url + "/busy"), "too-many", says=["429"])
        expect(probe(url + "/teapot"), "status-other", says=["418"])


@test(seconds=40)
def a_backend_that_is_down_and_a_wall_are_named_behind_HAProxy(node):
    with haproxy(frontend(free_port(), retries=1)) as port:
        expect(probe(f"ws://127.0.0.1:{port}/echo"), "backend-down", says=["503 Service Unavailable"], mends=["must name where the server listens"])
    users = "userlist u\n  user a insecure-password b\n"
    with haproxy(users + frontend(node.port, "http-request auth realm inner unless { http_auth(u) }")) as port:
        expect(probe(f"ws://127.0.0.1:{port}/echo"), "authentication", says=["inner"])
        expect_fine(probe("--header", "Authorization: Basic YTpi", f"ws://127.0.0.1:{port}/echo"))
    with haproxy(frontend(node.port, "http-request redirect scheme https unless { ssl_fc }")) as port:
        expect(probe(f"ws://127.0.0.1:{port}/echo"), "redirect-https", says=["https://"], mends=["redirect scheme https unless"])


@test(seconds=30)
def an_idle_cut_is_named_with_the_time_after_which_it_came(node):
    with contextlib.ExitStack() as proxies:
        enter = proxies.enter_context
        cuts = {
            "nginx": enter(nginx(server(location(node.port, RIGHT + " proxy_read_timeout 2s;")), MAP)),
            "HAProxy's tunnel": enter(haproxy(frontend(node.port, tunnel="timeout tunnel 2s"))),
            "HAProxy's server": enter(haproxy(frontend(node.port, tunnel="timeout server 2s"))),
        }
        for name, port in cuts.items():
            seen = expect(probe("--hold", "6", f"ws://127.0.0.1:{port}/echo"), "hold-cut", says=["after the last byte either way"],
                          mends=["proxy_read_timeout 3600s;", "timeout tunnel 1h", "--ping"])
            assert 1.9 < seen.json["quiet_s"] < 3.2, f"{name}: {seen}"
            assert seen.marks()["ping"] == "ok" and seen.marks()["hold"] == "fault" and seen.marks()["close"] == "untried", f"{name}: {seen}"


@test(seconds=30)
def pings_keep_a_connection_open_that_would_be_cut():
    with Node("--ping", "1") as node, nginx(server(location(node.port, RIGHT + " proxy_read_timeout 2s;")), MAP) as port:
        seen = expect(probe("--hold", "3.2", f"ws://127.0.0.1:{port}/echo"), status=0)
        assert seen.marks()["hold"] == "ok" and "3 pings" in seen.check("hold")["detail"], seen


@test(seconds=40)
def HTTP2_is_named_where_it_is_chosen_or_all_that_is_spoken(node):
    need_tls()
    with authority() as ca:
        certificate, key = ca.issue()
        tls = f"ssl_certificate {certificate}; ssl_certificate_key {key}; " + location(node.port)
        blocks = server(tls, "127.0.0.1:PORT ssl http2") + server(location(node.port), "127.0.0.1:PORT2 http2")
        with nginx(blocks, MAP, port_count=2) as (secure, plain):
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{secure}/echo"), status=0)
            assert seen.findings == ["http2-chosen"] and seen.marks()["alpn"] == "note", seen
            assert "connected again" in seen.check("alpn")["detail"] and "only http/1.1 by ALPN" in seen.finding("http2-chosen")["mend"], seen
            seen = probe(f"ws://127.0.0.1:{plain}/echo")
            # Since 1.25.1 nginx speaks both on a plain port with http2.
            expect(seen, status=0) if nginx_version() >= (1, 25, 1) else expect(seen, "http2-plain", mends=["listen 80;"])
        both = certificate.replace(".pem", ".all")
        with haproxy(frontend(node.port, bind=f"ssl crt {both} alpn h2,http/1.1")) as port:
            seen = expect(probe("--ca", ca.certificate, f"wss://localhost:{port}/echo"), status=0)
            assert seen.findings == ["http2-chosen"], seen


@test(seconds=30)
def the_mirror_shows_what_a_proxy_really_passes_on(node):
    port = free_port()
    with running([program(), "--serve", f"127.0.0.1:{port}"], [port]):
        seen = expect(probe(f"ws://127.0.0.1:{port}/x"))
        assert seen.findings == ["mirror"] and "As an upgrade to websocket this is right." in seen.finding("mirror")["said"][0], seen
        for lines, faults, arrived in [
            (RIGHT, [], "GET /a/b HTTP/1.1\r\n"),
            ("", ["proxy-http10", "proxy-fields-lost", "host-changed"], "GET /a/b HTTP/1.0\r\n"),
            (RIGHT + " proxy_set_header Sec-WebSocket-Key '';", ["websocket-fields-lost"], "Connection: upgrade\r\n"),
        ]:
            with nginx(server(location(port, lines)), MAP) as behind:
                seen = expect(probe(f"ws://127.0.0.1:{behind}/a/b"), *faults)
                assert arrived in seen.finding("mirror")["said"][0], seen
