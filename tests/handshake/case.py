"""One row of the suite: a request, byte for byte, and what must come back.

A row is written once and sent in several ways (whole, in two segments, with another request glued behind it), because
a rule that depends on where the network cuts a request isn't kept.
"""
import base64
import dataclasses
import hashlib

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TOPIC = "body-00000000"  # in a request's target: each time that it is sent, another topic of as many letters
ACCEPT = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()

# How the connection stands after the answers.
CLOSES, STAYS, SWITCHED = "closes", "stays", "switched"

@dataclasses.dataclass(eq=False)  # a row is only ever itself
class Case:
    rule: str
    name: str
    request: bytes
    statuses: list  # of the answers, in their order
    says: tuple  # what the last answer's text must contain
    fields: dict  # what its fields must be; None: absent
    after: str
    must: bool
    foreign: bool
    split: bool
    published: list = None  # the messages that a subscriber of TOPIC gets; None: nobody listens
    slices: bool = False  # sent a byte a segment, always
    ends: bool = False  # the client ends its side behind the request
    rest: bytes = b""  # of the request: sent when an interim response has come


def raw(text):
    return text.encode("latin-1") if isinstance(text, str) else text


class Table:
    """Collects rows. `authority` is what Host says, `path` a path that switches to WebSocket."""

    def __init__(self, authority, path):
        self.authority, self.path = authority, path
        self.cases = []

    # ---- requests ----

    def head(self, *lines):
        return b"\r\n".join([raw(line) for line in lines]) + b"\r\n\r\n"

    def post(self, *more, method="POST", version="HTTP/1.1", topic=TOPIC, **fields):
        """A request to publish. Its body is what is added to it."""
        return self._request(f"{method} /topic/{topic} {version}", {"Host": self.authority}, fields, more)

    def plain(self, path="/healthz", *more, method="GET", version="HTTP/1.1", **fields):
        """A request for a plain resource. Underscores stand for hyphens; a list is several lines; None leaves it out."""
        return self._request(f"{method} {path} {version}", {"Host": self.authority}, fields, more)

    def ws(self, *more, line=None, method="GET", path=None, version="HTTP/1.1", **fields):
        """An upgrade to WebSocket that is right, but for what is said. `more`: whole lines behind the usual ones."""
        usual = {"Host": self.authority, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
        return self._request(line if line is not None else f"{method} {path or self.path} {version}", usual, fields, more)

    def _request(self, line, usual, fields, more):
        values = dict(usual)
        values.update((name.replace("_", "-"), value) for name, value in fields.items())
        lines = [line]
        for name, value in values.items():
            for each in value if isinstance(value, list) else [value]:
                if each is not None:
                    lines.append(raw(name) + b": " + raw(each))
        return self.head(*lines, *more)

    # ---- rows ----

    def add(self, rule, name, request, statuses, says=(), fields=None, after=None, must=True, foreign=True, split=True, **more):
        """
        more: published, slices, ends and rest of the row.
        must: an RFC demands it of a server; False: it is wye's choice, and others may choose otherwise.
        foreign: means something to a server that isn't wye. split: may be sent in two segments.
        """
        statuses = statuses if isinstance(statuses, list) else [statuses]
        says = (says,) if isinstance(says, str) else tuple(says)
        after = after or (SWITCHED if statuses[-1] == 101 else CLOSES if statuses[-1] >= 400 else STAYS)
        self.cases.append(Case(rule, name, request, statuses, says, fields or {}, after, must, foreign, split, **more))

    def right(self, rule, name, request, **how):
        """An upgrade that is to succeed."""
        self.add(rule, name, request, 101, **how)

    def wrong(self, rule, name, request, status, says=(), fields=None, **how):
        """A request that is to be refused, after which the connection ends."""
        self.add(rule, name, request, status, says, fields, **how)
