import base64, hashlib, hmac, time

def verified(headers, body, secret, now=None):
    """The body, if Patchbay signed these bytes in the last five minutes; else a ValueError."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((now or time.time()) - int(stamp)) > 300:
        raise ValueError("signed too long ago, or in the future")
    signed = f"{sent}.{stamp}.".encode() + body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    for signature in headers["webhook-signature"].split():
        version, _, given = signature.partition(",")
        if version == "v1" and hmac.compare_digest(given, right):
            return body
    raise ValueError("the signature does not fit the secret")
