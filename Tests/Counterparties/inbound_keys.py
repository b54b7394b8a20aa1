"""Signs with libraries of other authors, lets `patchbay verify` judge, compares. See inbound-keys."""

import base64
import datetime
import email.utils
import hashlib
import json
import random
import subprocess
import sys

import http_message_signatures
import httpsig
import paypalrestsdk.notifications
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from sendgrid.helpers.eventwebhook import EventWebhook

rng = random.Random(7)
NOW = 1_795_255_200
PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
cases = []


def add(name, want, scheme, secret, method, url, headers, body, now=NOW):
    cases.append((name, want, {
        "scheme": scheme, "secret": secret, "method": method, "url": url, "headers": [list(pair) for pair in headers],
        "body_base64": base64.b64encode(body).decode(), "now": now,
    }))


def flipped(text, at=None):
    """The same text with one character changed for another of base64's."""
    at = rng.randrange(len(text) - 2) if at is None else at
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


def public_pem(key):
    return key.public_key().public_bytes(PEM, SPKI).decode()


# SendGrid: signed with cryptography, judged by the official library and by us.

def sendgrid():
    names = ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp")
    library = EventWebhook()
    for number in range(100):
        key = ec.generate_private_key(ec.SECP256R1())
        public = base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, SPKI)).decode()
        body = json.dumps([{"event": "open", "sg_event_id": f"e{number}", "timestamp": NOW, "note": "Zoë" * rng.randrange(9)}],
                          ensure_ascii=rng.random() < 0.5).encode() + rng.choice([b"", b"\r\n"])
        at = str(NOW - rng.randrange(90_000))
        signature = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()

        def judged(body, at, signature):
            try:
                ok = library.verify_signature(body.decode(), signature, at, library.convert_public_key_to_ecdsa(public))
            except Exception:  # The library raises for what is no signature.
                ok = False
            return "accept" if ok else "reject"

        def case(name, body, at, signature):
            add("sendgrid " + name, judged(body, at, signature), "sendgrid", {"public_keys": [public]}, "POST",
                "https://pb.example/webhooks/sendgrid", [(names[0], signature), (names[1], at)], body)

        case("good", body, at, signature)
        case("time", body, str(int(at) + 1), signature)
        case("line end", body + b"\n", at, signature)
        position = rng.randrange(1, len(body))
        case("body", body[:position] + bytes([body[position] & 0x7F ^ 1]) + body[position + 1:]
             if body[position] < 0x80 else body + b" ", at, signature)
        case("signature", body, at, flipped(signature, rng.randrange(20, len(signature) - 4)))


# PayPal: the SDK's own message over a chain made here.

def certificate(name, key, issuer, issuer_key, ca):
    day = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(day - datetime.timedelta(days=9)).not_valid_after(day + datetime.timedelta(days=9))
               .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def paypal():
    root_key, leaf_key, other_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    root = certificate("Root", root_key, None, root_key, True)
    leaf = certificate("messageverificationcerts.paypal.com", leaf_key, root.subject, root_key, False)
    other = certificate("hooks.example.com", other_key, root.subject, root_key, False)
    base = "https://api.paypal.com/v1/notifications/certs/"
    webhook = "1JE4291016473214C"
    secret = {
        "webhook_id": webhook,
        "certificates": {base + "CERT-1": leaf.public_bytes(PEM).decode(), base + "CERT-2": other.public_bytes(PEM).decode()},
        "roots": [root.public_bytes(PEM).decode()],
    }
    event = paypalrestsdk.notifications.WebhookEvent
    for number in range(60):
        body = json.dumps({"id": f"WH-{number}", "event_type": "PAYMENT.CAPTURE.COMPLETED", "note": "größe" * rng.randrange(9)},
                          ensure_ascii=rng.random() < 0.5)
        at = datetime.datetime.fromtimestamp(NOW - rng.randrange(200_000), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

        def case(name, want, key=leaf_key, cert=base + "CERT-1", webhook_id=webhook, sent=body, algorithm="SHA256withRSA"):
            message = event._get_expected_sig(f"tr-{number}", at, webhook_id, body)
            signature = base64.b64encode(key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
            add("paypal " + name, want, "paypal", secret, "POST", "https://pb.example/webhooks/paypal",
                [("Paypal-Transmission-Id", f"tr-{number}"), ("Paypal-Transmission-Time", at),
                 ("Paypal-Transmission-Sig", signature), ("Paypal-Cert-Url", cert), ("Paypal-Auth-Algo", algorithm)],
                sent.encode())

        case("good", "accept")
        case("body", "reject", sent=body.replace(f"WH-{number}", f"WH-{number}x"))
        case("webhook", "reject", webhook_id="9XX")
        case("key", "reject", key=other_key)
        case("name", "reject", key=other_key, cert=base + "CERT-2")
        case("host", "reject", cert="https://evil.example/v1/notifications/certs/CERT-1")
        case("algorithm", "reject", algorithm="SHA1withRSA")


# ActivityPub: RFC 9421 by http-message-signatures, the draft by httpsig.

URL = "https://desk.example/webhooks/activitypub?page=1"
KEY_ID = "https://social.example/users/lena#main-key"


class Resolver(http_message_signatures.HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key


def rfc9421(key, algorithm, with_name):
    body = json.dumps({"type": "Like", "id": "https://social.example/l/1", "actor": "https://social.example/users/lena"}).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    for number in range(20):
        request = requests.Request("POST", URL, data=body, headers={
            "Content-Digest": f"sha-256=:{digest}:", "Content-Type": "application/activity+json"}).prepare()
        parts = ["@method", "@target-uri", "content-digest", "content-type", "@authority", "@path", "@query"]
        covered = parts[:3] + rng.sample(parts[3:], rng.randrange(5))
        rng.shuffle(covered)
        signer = http_message_signatures.HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Resolver(key))
        signer.sign(request, key_id=KEY_ID, covered_component_ids=covered, label=rng.choice(["sig1", "s", "pyhms"]),
                    created=datetime.datetime.fromtimestamp(NOW - rng.randrange(250)), include_alg=with_name,
                    use_existing_digest=True)
        headers = dict(request.headers)

        def case(name, want, url=URL, method="POST", sent=body, now=NOW, **changed):
            both = {**headers, **{key.replace("_", "-"): value for key, value in changed.items()}}
            add(f"rfc9421 {algorithm.__name__} {name}", want, "activitypub-rfc9421", public_pem(key), method, url,
                both.items(), sent, now)

        case("good", "accept")
        case("address", "reject", url=URL + "0")
        case("method", "reject", method="PUT")
        case("body", "reject", sent=body + b" ")
        case("digest", "reject", sent=body + b" ",
             Content_Digest=f"sha-256=:{base64.b64encode(hashlib.sha256(body + b' ').digest()).decode()}:")
        case("age", "reject", now=NOW + 5000)
        value = headers["Signature"]
        case("signature", "reject", Signature=flipped(value, value.index(":") + 1 + rng.randrange(60)))


def draft(key, algorithm):
    body = b'{"type":"Like","actor":"https://social.example/users/lena"}'
    digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    pem = key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()).decode()
    for number in range(20):
        base = {"Host": "desk.example", "Date": email.utils.formatdate(NOW - rng.randrange(250), usegmt=True),
                "Digest": digest, "Content-Type": "application/activity+json"}
        covered = ["(request-target)", "host", "date", "digest"] + rng.choice([[], ["content-type"]])
        rng.shuffle(covered)

        def signed(names, target="/webhooks/activitypub?page=1"):
            signer = httpsig.HeaderSigner(KEY_ID, pem, algorithm=algorithm, headers=names, sign_header="signature")
            value = signer.sign(dict(base), method="POST", path=target)["signature"]
            return {**base, "Signature": value.removeprefix("Signature ")}

        def case(name, want, headers, url=URL, sent=body, now=NOW, method="POST"):
            add(f"draft {name}", want, "activitypub-cavage", public_pem(key), method, url, headers.items(), sent, now)

        headers = signed(covered)
        case("good", "accept", headers)
        case("without the query", "accept", signed(covered, "/webhooks/activitypub"))
        case("body", "reject", headers, sent=body + b" ")
        case("host", "reject", headers, url=URL.replace("desk", "other"))
        case("path", "reject", headers, url=URL.replace("activitypub", "other"))
        case("method", "reject", headers, method="PUT")
        case("age", "reject", headers, now=NOW + 5000)
        case("date", "reject", {**headers, "Date": email.utils.formatdate(NOW, usegmt=True)})
        for left in ["(request-target)", "host", "date", "digest"]:
            case(f"without {left}", "reject", signed([name for name in covered if name != left]))


sendgrid()
paypal()
key = rsa.generate_private_key(65537, 2048)
rfc9421(key, http_message_signatures.algorithms.RSA_V1_5_SHA256, True)
rfc9421(key, http_message_signatures.algorithms.RSA_V1_5_SHA256, False)
rfc9421(ed25519.Ed25519PrivateKey.generate(), http_message_signatures.algorithms.ED25519, True)
rfc9421(ec.generate_private_key(ec.SECP256R1()), http_message_signatures.algorithms.ECDSA_P256_SHA256, True)
draft(key, "rsa-sha256")

lines = subprocess.run([sys.argv[1], "verify"], input="\n".join(json.dumps(line) for _, _, line in cases), text=True,
                       capture_output=True, check=True).stdout.splitlines()
wrong = [(name, want, line) for (name, want, _), line in zip(cases, lines) if json.loads(line)["verdict"] != want]
for name, want, line in wrong[:20]:
    print(f"{name}: expected {want}, got {line}")
accepted = sum(want == "accept" for _, want, _ in cases)
print(f"{len(cases) - len(wrong)} passed ({accepted} of them to be accepted), {len(wrong)} failed")
sys.exit(1 if wrong or len(lines) != len(cases) else 0)
