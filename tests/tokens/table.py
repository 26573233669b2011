"""The table of tokens: what each is like, and what the node must answer. Made with Python's hmac, json and cryptography alone.

A row is (name, token, answer). answer: GOOD; or the words of the refusal's sentence that say what is wrong (401);
or SCOPE (403). The node has the keys a (a secret), old (another, as a JWK) and ed (an Ed25519 public key, PEM); the token
is shown at /topic/chat, which is to be subscribed to.
"""
import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

GOOD, SCOPE = "good", "scope"
LONG, FORM = "longer than 4096 bytes", "three parts in base64url"
HEADER, TYPE, CRITICAL = "header isn't a JSON object", "'typ' is neither", "header has 'crit'"
KID, UNNAMED, ALGORITHM, SIGNATURE = "'kid' names no key", "names no key ('kid')", "'alg' isn't that of the key", "signature isn't by"
CLAIMS, TIME, EXPIRED, EARLY = "What is signed isn't a JSON object", "'exp' or 'nbf' isn't a number", "has expired", "isn't good yet"
AUDIENCE, SUBJECT, PATTERNS = "'aud' doesn't name", "'sub' isn't a string", "isn't a list of topics"

SECRET, OLD = b"0123456789abcdef0123456789abcdef", b"an older secret, which is long enough"
ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC = ED.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
PEM = ED.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = ED.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the curve's group (RFC 8032 5.1)
HIDDEN = "not-to-be-shown-7f3a"  # stands in the tokens' claims, and in no answer


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def raw(value):
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()


def digest(secret, text, kind=hashlib.sha256):
    return hmac.new(secret, text.encode(), kind).digest()


# ---- keys, as files have them ----

def jwk_set():
    return raw({"keys": [{"kty": "RSA", "kid": "a"}, {"kty": "oct", "kid": "old", "k": b64(OLD)}]})


def private_pem():
    return ED.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def private_jwk():
    return raw({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(PUBLIC), "d": b64(bytes(range(32)))})


# ---- tokens ----

def token(claims=None, header=None, key=SECRET, signature=None, kind=hashlib.sha256):
    """A token. claims, header: dict, or text or bytes as they are; what isn't said is as it should be. key: whose signature."""
    header = {"alg": "HS256", "kid": "a"} if header is None else header
    claims = {"subscribe": ["chat"], "note": HIDDEN} if claims is None else claims
    text = b64(raw(header)) + "." + b64(raw(claims))
    if signature is None:
        signature = key.sign(text.encode()) if isinstance(key, Ed25519PrivateKey) else digest(key, text, kind)
    return text + "." + b64(signature)


def says(**claims):
    """A token with these claims beside the usual ones."""
    return token({"subscribe": ["chat"], "note": HIDDEN, **claims})


def headed(**header):
    """A token with these header parameters beside the usual ones; None takes one away."""
    return token(header={name: value for name, value in {"alg": "HS256", "kid": "a", **header}.items() if value is not None})


def unsigned(alg, signature=b""):
    return token(header={"alg": alg, "kid": "a"}, signature=signature)


def subscribing(*patterns):
    return token({"subscribe": list(patterns), "note": HIDDEN})


def other_last(text, part):
    """The same bytes, written with bits behind the last one that aren't 0. (A part whose length in bytes is a multiple of 3 has none.)"""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    parts = text.split(".")
    assert len(parts[part]) % 4, "no stray bits here"
    parts[part] = parts[part][:-1] + alphabet[alphabet.index(parts[part][-1]) | 1]
    return ".".join(parts)


def resigned(text):
    """Signed as it stands, whatever it is."""
    text = text.rsplit(".", 1)[0]
    return text + "." + b64(digest(SECRET, text))


def sized(length):
    """A good token of exactly so many characters."""
    for spaces in range(3):
        header = '{"alg":"HS256","kid":"a"}' + " " * spaces
        fill = (length - len(token({"subscribe": ["chat"], "x": ""}, header))) * 3 // 4
        for more in range(fill - 4, fill + 5):
            text = token({"subscribe": ["chat"], "x": "a" * more}, header)
            if len(text) == length:
                return text
    raise AssertionError("no such length")


def malleable():
    """An Ed25519 signature whose S has the group's order added: as good an equation, and another text (RFC 8032 5.1.7)."""
    text = token(header=ED_HEADER, key=ED)
    signed, last = text.rsplit(".", 1)
    signature = base64.urlsafe_b64decode(last + "==")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    return signed + "." + b64(signature[:32] + scalar.to_bytes(32, "little"))


ED_HEADER = {"alg": "EdDSA", "kid": "ed"}
DEEP = "[" * 7 + "]" * 7


def good(now):
    yield "HS256", token()
    yield "EdDSA", token(header=ED_HEADER, key=ED)
    yield "Ed25519, as RFC 9864 calls it", token(header={"alg": "Ed25519", "kid": "ed"}, key=ED)
    yield "another kid", token(header={"alg": "HS256", "kid": "old"}, key=OLD)
    for typ in ("JWT", "jwt", "at+jwt", "application/at+jwt", "application/JWT", "Application/jwt"):
        yield f"typ {typ}", headed(typ=typ)
    yield "alg written with an escape", token(header='{"alg":"\\u0048S256","kid":"a"}')
    yield "white space in its JSON", token(" {\n\t\"subscribe\" : [ \"chat\" ] }\r\n", header=' { "alg" : "HS256", "kid" : "a" } ')
    yield "unknown header parameters and claims", token({"subscribe": ["chat"], "x": {"y": [1.5, None, True]}}, header={"alg": "HS256", "kid": "a", "x": 1})
    yield "a key and addresses of keys in its header, which nobody looks at", headed(jwk={"kty": "oct", "k": "AAAA"}, jku="http://127.0.0.1/keys", x5u="x", x5c=["x"])
    yield "seven levels", says(x=json.loads(DEEP))
    yield "4096 characters", sized(4096)
    yield "exp in an hour", says(exp=now + 3600)
    yield "exp with a fraction", says(exp=now + 3600.5)
    yield "exp as 1e300", token('{"subscribe":["chat"],"exp":1e300}')
    yield "exp as the largest integer", says(exp=2**63 - 1)
    yield "nbf within the leeway", says(nbf=now + 3)
    yield "nbf long ago, and negative", says(nbf=-1)
    yield "iat in the future, or odd: it decides nothing", says(iat="tomorrow")
    yield "sub with anything that is text", says(sub="\n\"'\u202e%s")
    yield "iss and jti: they decide nothing", says(iss="https://issuer.example", jti="1")
    for patterns in (["#"], ["+"], ["chat/#"], ["x", "chat"], ["+/#"]):
        yield f"subscribe {patterns}", subscribing(*patterns)


def algorithms(now):
    for alg in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg '{alg}', no signature", unsigned(alg), ALGORITHM
    yield "alg none with a good HMAC", unsigned("none", digest(SECRET, token(header={"alg": "none", "kid": "a"}).rsplit(".", 1)[0])), ALGORITHM
    for alg in (None, 256, ["HS256"], {"HS256": 1}, True):
        yield f"alg {json.dumps(alg)}", token(header={"alg": alg, "kid": "a"}), HEADER
    yield "no alg", headed(alg=None), HEADER
    for alg in ("hs256", "Hs256", "HS256 ", "HS-256", "SHA256"):
        yield f"alg '{alg}'", headed(alg=alg), ALGORITHM
    yield "HS384, signed so", token(header={"alg": "HS384", "kid": "a"}, kind=hashlib.sha384), ALGORITHM
    yield "HS512, signed so", token(header={"alg": "HS512", "kid": "a"}, kind=hashlib.sha512), ALGORITHM
    yield "HS256, signed by HS512", token(kind=hashlib.sha512), SIGNATURE
    for alg in ("RS256", "ES256", "PS256", "EdDSA", "dir"):
        yield f"alg {alg} for a secret", headed(alg=alg), ALGORITHM
    for name, secret in (("the PEM file", PEM), ("the PEM file without its newline", PEM.rstrip()), ("the raw public key", PUBLIC), ("the DER", DER),
                         ("its base64url", b64(PUBLIC).encode()), ("its hex", PUBLIC.hex().encode()), ("nothing", b"")):
        yield f"HS256 with {name} as the secret, where an Ed25519 key is", token(header={"alg": "HS256", "kid": "ed"}, key=secret), ALGORITHM
    yield "EdDSA by a stranger", token(header=ED_HEADER, key=STRANGER), SIGNATURE
    yield "EdDSA, with the stranger's key in the header", token(header={**ED_HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(
        STRANGER.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))}}, key=STRANGER), SIGNATURE
    yield "EdDSA for a secret's kid", token(header={"alg": "EdDSA", "kid": "a"}, key=ED), ALGORITHM
    yield "EdDSA, S beyond the group's order", malleable(), SIGNATURE
    yield "EdDSA, a signature of zeros", token(header=ED_HEADER, signature=bytes(64)), SIGNATURE
    yield "EdDSA, the neutral point and zero", token(header=ED_HEADER, signature=b"\x01" + bytes(63)), SIGNATURE
    yield "EdDSA, an HMAC in its place", token(header=ED_HEADER, key=SECRET), SIGNATURE


def signatures(now):
    yield "another secret", token(key=b"x" * 32), SIGNATURE
    yield "no secret", token(key=b""), SIGNATURE
    yield "the secret and its newline", token(key=SECRET + b"\n"), SIGNATURE
    yield "no signature", token(signature=b""), SIGNATURE
    yield "half a signature", token(signature=digest(SECRET, token().rsplit(".", 1)[0])[:16]), SIGNATURE
    yield "a signature and a byte", token(signature=digest(SECRET, token().rsplit(".", 1)[0]) + b"\0"), SIGNATURE
    yield "a signature twice", token(signature=digest(SECRET, token().rsplit(".", 1)[0]) * 2), SIGNATURE
    yield "a signature in hex", token(signature=digest(SECRET, token().rsplit(".", 1)[0]).hex().encode()), SIGNATURE
    yield "signed as bytes instead of as text", token(signature=hmac.new(SECRET, raw({"alg": "HS256", "kid": "a"}) + b"." + raw({"subscribe": ["chat"], "note": HIDDEN}), "sha256").digest()), SIGNATURE
    head, claims, signature = token().split(".")
    yield "claims of another token", ".".join([head, b64(raw({"subscribe": ["#"]})), signature]), SIGNATURE
    yield "its parts swapped", ".".join([claims, head, signature]), HEADER


def keys(now):
    for kid in ("nope", "A", "a ", "", "../../../dev/null", "a' OR '1'='1", "a|old", "a.b", "k" * 1000):
        yield f"kid '{kid[:20]}'", headed(kid=kid), KID
    yield "kid old, signed by a", headed(kid="old"), SIGNATURE
    for kid in (None, 7, ["a"], {"a": 1}):
        yield f"kid {json.dumps(kid)}", token(header={"alg": "HS256", "kid": kid}), HEADER
    yield "kid with a NUL", token(header='{"alg":"HS256","kid":"a\\u0000"}'), HEADER
    yield "no kid", headed(kid=None), UNNAMED
    yield "kid in another case", token(header={"alg": "HS256", "KID": "a"}), UNNAMED


def headers(now):
    for typ in ("JWS", "dpop+jwt", "secevent+jwt", "application/dpop+jwt", "application/", "application/application/jwt", "text/jwt", "", 7, None, ["JWT"]):
        yield f"typ {json.dumps(typ)}", token(header={"alg": "HS256", "kid": "a", "typ": typ}), TYPE
    for crit in (["exp"], ["b64"], [], "exp", None):
        yield f"crit {json.dumps(crit)}", token(header={"alg": "HS256", "kid": "a", "crit": crit, "b64": False}), CRITICAL
    for name, header in (("a list", "[]"), ("a string", '"HS256"'), ("a number", "1"), ("null", "null"), ("nothing but spaces", "  "), ("cut short", '{"alg":"HS256"'),
                         ("alg twice, none first", '{"alg":"none","alg":"HS256","kid":"a"}'), ("alg twice, none last", '{"alg":"HS256","kid":"a","alg":"none"}'),
                         ("alg twice, once by an escape", '{"alg":"none","\\u0061lg":"HS256","kid":"a"}'), ("bytes that aren't UTF-8", b'{"alg":"HS256","kid":"a","x":"\xff"}'),
                         ("a byte behind it", '{"alg":"HS256","kid":"a"}x'), ("a NUL behind it", '{"alg":"HS256","kid":"a"}\0'), ("a byte order mark", '\ufeff{"alg":"HS256","kid":"a"}'),
                         ("single quotes", "{'alg':'HS256','kid':'a'}"), ("a comment", '{"alg":"HS256","kid":"a"/**/}'), ("a trailing comma", '{"alg":"HS256","kid":"a",}'),
                         ("a number too large", '{"alg":"HS256","kid":"a","x":1e999}'), ("a thousand levels", '{"alg":"HS256","kid":"a","x":' + "[" * 1000 + "]" * 1000 + "}"),
                         ("nine levels", '{"alg":"HS256","kid":"a","x":[' + DEEP + "]}"), ("half a surrogate pair", '{"alg":"HS256","kid":"a","x":"\\ud800"}')):
        yield f"header: {name}", token(header=header), HEADER


def forms(now):
    text = token()
    head, claims, signature = text.split(".")
    yield "empty", "", FORM
    yield "a word", "token", FORM
    yield "one dot", head + "." + claims, FORM
    yield "two dots alone", "..", HEADER
    yield "four parts", text + "." + signature, FORM
    yield "five parts, as encrypted ones have", text + "..", FORM
    yield "a dot before", "." + text, FORM
    yield "a dot behind", text + ".", FORM
    yield "no header", resigned("." + claims + "."), HEADER
    yield "no claims", resigned(head + ".."), CLAIMS
    yield "in the JSON form", json.dumps({"payload": claims, "protected": head, "signature": signature}, separators=(",", ":")), FORM
    for part, name in enumerate(("header", "claims", "signature")):
        for what in ("=", "==", "!", "%", "~", ",", "/", "+"):
            parts = text.split(".")
            parts[part] += what
            broken = ".".join(parts)
            yield f"'{what}' behind its {name}", broken if part == 2 else resigned(broken), FORM
    yield "stray bits in its signature", other_last(text, 2), FORM
    yield "stray bits in its header, which is signed", resigned(other_last(token(header='{"alg":"HS256","kid":"a" }'), 0)), FORM
    yield "stray bits in its claims, which are signed", resigned(other_last(token('{"subscribe":["chat"] }'), 1)), FORM
    yield "a part of a length that no bytes have", resigned(head + "." + claims + "A" * ((1 - len(claims)) % 4) + "."), FORM
    yield "a space inside, which is signed", resigned(head + ". " + claims + "."), FORM
    yield "4097 characters", sized(4096) + "x", LONG
    yield "7000 characters", "x" * 7000, LONG


def claims(now):
    for name, text in (("a list", '["chat"]'), ("a string", '"chat"'), ("a number", "1"), ("null", "null"), ("cut short", '{"subscribe":["chat"]'),
                       ("exp twice, the later one good", '{"exp":1,"exp":%d}' % (now + 99)), ("exp twice, the first one good", '{"exp":%d,"exp":1}' % (now + 99)),
                       ("subscribe twice", '{"subscribe":["chat"],"subscribe":["#"]}'), ("exp twice, once by an escape", '{"exp":%d,"e\\u0078p":1}' % (now + 99)),
                       ("a name twice further down", '{"subscribe":["chat"],"x":{"y":1,"y":2}}'), ("bytes that aren't UTF-8", b'{"subscribe":["chat"],"x":"\xc0\xaf"}'),
                       ("a surrogate in UTF-8", b'{"x":"\xed\xa0\x80"}'), ("a byte behind it", '{"subscribe":["chat"]}.'), ("a NUL behind it", '{"subscribe":["chat"]}\0'),
                       ("a NUL inside a string", '{"subscribe":["chat"],"x":"\\u0000"}'), ("a name with a NUL", '{"subscribe\\u0000":["chat"]}'), ("another object behind it", '{}{"subscribe":["chat"]}'),
                       ("a thousand levels", '{"x":' + "[" * 1000 + "]" * 1000 + "}"), ("nine levels", '{"x":[' + DEEP + "]}"), ("an integer too large", '{"exp":9223372036854775808}'),
                       ("a number too large", '{"exp":1e400}'), ("NaN", '{"exp":NaN}'), ("Infinity", '{"exp":Infinity}'), ("a number in hex", '{"exp":0x7fffffff}'),
                       ("a number with a zero before it", '{"exp":0%d}' % (now + 99)), ("a number with a plus", '{"exp":+%d}' % (now + 99))):
        yield f"claims: {name}", token(text), CLAIMS
    for exp in (now, now - 1, now - 3600, 0, -1, -2**63, now - 0.5, -0.5):
        yield f"exp {exp - now if exp > 1e9 else exp}{' from now' if exp > 1e9 else ''}", says(exp=exp), EXPIRED
    yield "exp as -1e300", token('{"exp":-1e300}'), EXPIRED
    for name in ("exp", "nbf"):
        for value in (str(now + 99), None, True, [now + 99], {"seconds": now + 99}):
            yield f"{name} {json.dumps(value)[:9]}", says(**{name: value}), TIME
    for nbf in (now + 60, now + 3600.5, 2**63 - 1):
        yield f"nbf {nbf - now} from now", says(nbf=nbf), EARLY
    yield "exp and nbf that leave no time", says(exp=now - 10, nbf=now + 10), EXPIRED
    for aud in ("wye", ["wye"], [], None, 7):
        yield f"aud {json.dumps(aud)}, and no audience is known", says(aud=aud), AUDIENCE
    for sub in (7, None, ["ada"], {"name": "ada"}):
        yield f"sub {json.dumps(sub)}", says(sub=sub), SUBJECT


def topics(now):
    for name in ("publish", "subscribe"):
        for value in ("chat", None, 7, True, {"chat": 1}, [7], [None], [["chat"]], [""], ["a//b"], ["/a"], ["a/"], ["#/a"], ["a/#/b"], ["a" * 256], ["/".join("a" * 17)]):
            yield f"{name} {json.dumps(value)[:20]}", says(**{name: value}), PATTERNS
    yield "one pattern among good ones that is none", subscribing("chat", "#/chat"), PATTERNS
    for patterns in ([], ["CHAT"], ["cha"], ["chatt"], ["c+"], ["ch*"], ["chat/+"], ["+/chat"], ["+/+"], ["$wye/#"], ["%63hat"], ["^chat$"], [" chat"], ["topic/chat"], ["chat\n"]):
        yield f"subscribe {patterns}", subscribing(*patterns), SCOPE
    yield "no claim at all", token({}), SCOPE
    yield "publish alone", token({"publish": ["chat"]}), SCOPE
    yield "subscribe in another case", token({"Subscribe": ["chat"]}), SCOPE


def rows(now):
    """All rows. `now`: unix time, in whole seconds."""
    for name, text in good(now):
        yield name, text, GOOD
    for each in (algorithms, signatures, keys, headers, forms, claims, topics):
        yield from each(now)


def with_audience(now):
    """The rows for a node that is called "here" (--token-audience), with a secret that has no name."""
    plain = {"alg": "HS256"}
    def aud(value):
        return token({"subscribe": ["chat"], "aud": value}, header=plain)
    yield "aud here", aud("here"), GOOD
    yield "aud here among others", aud(["there", "here"]), GOOD
    yield "any kid, since the key has none", token({"subscribe": ["chat"], "aud": "here"}, header={"alg": "HS256", "kid": "any"}), GOOD
    yield "no aud", token(header=plain), AUDIENCE
    for value in ("there", "HERE", "here ", "her", [], ["there"], [["here"]], [7], None, {"here": 1}):
        yield f"aud {json.dumps(value)}", aud(value), AUDIENCE
    yield "EdDSA for a secret", token(header={"alg": "EdDSA"}, key=ED), ALGORITHM
