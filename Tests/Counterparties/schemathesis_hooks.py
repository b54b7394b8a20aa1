"""What schemathesis must be told: a media type of ours is bytes like any other."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def offset(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()
