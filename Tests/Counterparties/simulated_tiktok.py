"""The flows of simulated-tiktok: `simulated_tiktok.py PATCHBAY [NAME…]` runs all, or those whose names are given."""

import concurrent.futures
import hashlib
import hmac
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

EVERYTHING = "user.info.basic,user.info.profile,user.info.stats,video.list,video.upload,video.publish"
CALLBACK = "http://127.0.0.1:8484/callback/tiktok"
MB = 1_000_000
CROWD = 100


class Local:
    """A server on loopback: keeps the webhooks that it is sent, gives the files that are put into `files`."""

    def __init__(self):
        self.received, self.files, self.asked = [], {}, []
        local = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name = next((n for n in self.headers if n.lower() == "tiktok-signature"), None)
                local.received.append((body, self.headers[name] if name else "", name))
                self.reply(200, "text/plain", b"")

            def do_GET(self):
                local.asked.append(self.path)
                status, kind, body, more = local.files.get(self.path, (404, "text/plain", b"", {}))
                self.reply(status, kind, body, more)

            def reply(self, status, kind, body, more={}):
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        return [json.loads(body) for body, _, _ in self.received]

    def wait(self, *types):
        """Until each of these has come."""
        for _ in range(200):
            came = [e["event"] for e in self.events()]
            if all(came.count(t) >= types.count(t) for t in types):
                return came
            time.sleep(0.05)
        raise AssertionError(f"waited for {types}, got {came}")


class Sandbox:
    def __init__(self, patchbay, *flags):
        self.local = Local()
        self.process = subprocess.Popen(
            [patchbay, "sandbox", "--seed", "7", "--webhook-url", f"tiktok={self.local.url}/hooks", *flags],
            stdout=subprocess.PIPE, text=True)
        said = json.loads(self.process.stdout.readline())
        self.control, told = said["control"], said["tiktok"]
        self.base, self.upload_base = told["base_url"], told["upload_base_url"]
        self.key, self.secret = told["client_key"], told["client_secret"]

    def tell(self, method, path, body=None):
        answer = requests.request(method, self.control + path, json=body, timeout=60)
        assert answer.status_code < 300, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def set(self, **settings):
        return self.tell("PUT", "/platforms/tiktok/settings", settings)

    def act(self, act, **more):
        return self.tell("POST", "/platforms/tiktok/acts", {"act": act, **more})

    def faults(self, *faults):
        self.tell("PUT", "/faults", [{"platform": "tiktok", **f} for f in faults])

    def advance(self, seconds):
        self.tell("POST", "/clock", {"advance_seconds": seconds})

    def effects(self):
        return self.tell("GET", "/effects")["tiktok"]

    def session(self, scopes=EVERYTHING):
        """Authlib's client, told how TikTok names things: client_key, and scopes by comma."""
        def by_key(client, method, uri, headers, body):
            body = urllib.parse.urlencode({"client_key": self.key, "client_secret": self.secret}) + "&" + body
            return uri, headers, body

        session = OAuth2Session(self.key, self.secret, token_endpoint_auth_method=by_key, redirect_uri=CALLBACK)
        session.register_client_auth_method(("tiktok", by_key))
        session.asks = scopes
        return session

    def consent(self, session, state="s-1", form=None, **more):
        """What a person's form leads back to."""
        url, _ = session.create_authorization_url(
            self.base + "/v2/auth/authorize/", state=state, client_key=self.key, scope=session.asks, **more)
        answer = requests.post(url, data={"account": "0", **(form or {})}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        return answer.headers["Location"]

    def connect(self, account="0", scopes=EVERYTHING):
        session = self.session(scopes)
        back = self.consent(session, form={"account": account})
        return session.fetch_token(self.base + "/v2/oauth/token/", authorization_response=back)

    def get(self, path, token):
        return requests.get(self.base + path, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    def post(self, path, token, body=None):
        return requests.post(
            self.base + path, data=json.dumps(body or {}), timeout=10,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=UTF-8"})

    def status(self, token, publish_id):
        return ok(self.post("/v2/post/publish/status/fetch/", token, {"publish_id": publish_id}))

    def begin(self, token, size, chunk=None, inbox=False, privacy="PUBLIC_TO_EVERYONE"):
        source = {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk or size,
                  "total_chunk_count": size // (chunk or size)}
        if inbox:
            return self.post("/v2/post/publish/inbox/video/init/", token, {"source_info": source})
        info = {"title": "Rye is back #bread", "privacy_level": privacy, "brand_content_toggle": False}
        return self.post("/v2/post/publish/video/init/", token, {"post_info": info, "source_info": source})

    def posted(self, token, film=b"film", **more):
        data = ok(self.begin(token, len(film), **more))
        assert put(data["upload_url"], film, 0, len(film)).status_code == 201
        return data["publish_id"]


def ok(answer):
    body = answer.json()
    assert answer.status_code == 200 and body["error"]["code"] == "ok", (answer.status_code, body)
    assert set(body) == {"data", "error"} and set(body["error"]) == {"code", "message", "log_id"}
    return body["data"]


def refused(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code), (answer.status_code, body)


def put(url, part, first, total, **more):
    headers = {"Content-Type": "video/mp4", "Content-Range": f"bytes {first}-{first + len(part) - 1}/{total}"}
    return requests.put(url, data=part, headers={**headers, **more}, timeout=60)


def chunks(size, chunk):
    """By the transfer guide: floor, and the rest in the last."""
    count = size // chunk
    return [(n * chunk, size if n == count - 1 else (n + 1) * chunk) for n in range(count)]


def content_hash(film):
    state = b""
    for start in range(0, max(len(film), 1), 4096):
        state = hashlib.sha256(state + film[start:start + 4096]).digest()
    return state.hex()


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def flow_consent(s):
    session = s.session("user.info.basic,video.list")
    url, _ = session.create_authorization_url(
        s.base + "/v2/auth/authorize/", state="s", client_key=s.key, scope=session.asks)
    page = requests.get(url, timeout=10)
    assert page.status_code == 200 and "grant[video.list]" in page.text and "<script" not in page.text
    back = s.consent(session, state="a b&c", form={"scopes": "video.list"})
    said = query(back)
    assert said["scopes"] == "video.list" and said["state"] == "a b&c", said
    assert "*" in said["code"] and "!" in said["code"] and "%2A" in back and "%21" in back
    assert query(s.consent(session, form={"decision": "deny"}))["error"] == "access_denied"
    for change in ({"client_key": "aw_other"}, {"redirect_uri": CALLBACK + "?x=1"}, {"redirect_uri": "https://a.example/"}):
        wrong = {**query(url), **change}
        answer = requests.get(s.base + "/v2/auth/authorize/", params=wrong, allow_redirects=False, timeout=10)
        assert answer.status_code == 400 and "Location" not in answer.headers
    assert requests.post(url, data={"account": "0"}, headers={"Origin": "https://evil.example"}, timeout=10).status_code == 403


def flow_tokens(s):
    session = s.session()
    back = s.consent(session)
    token = session.fetch_token(s.base + "/v2/oauth/token/", authorization_response=back)
    assert set(token) >= {"access_token", "expires_in", "open_id", "refresh_expires_in", "refresh_token", "scope", "token_type"}
    assert token["token_type"] == "Bearer" and token["expires_in"] == 86_400 and token["refresh_expires_in"] == 31_536_000
    assert token["access_token"].startswith("act.") and token["refresh_token"].startswith("rft.")
    assert token["scope"] == EVERYTHING
    try:
        s.session().fetch_token(s.base + "/v2/oauth/token/", authorization_response=back)
        raise AssertionError("a code is good once")
    except OAuthError as error:
        assert error.error == "invalid_grant"
    form = {"client_key": s.key, "client_secret": s.secret, "grant_type": "refresh_token", "refresh_token": "rft.x.y"}
    answer = requests.post(s.base + "/v2/oauth/token/", data=form, timeout=10)
    assert answer.status_code == 200 and set(answer.json()) == {"error", "error_description", "log_id"}
    assert requests.post(s.base + "/v2/oauth/token/", json=form, timeout=10).json()["error"] == "invalid_request"
    late = s.consent(s.session())
    s.advance(601)
    form = {"client_key": s.key, "client_secret": s.secret, "grant_type": "authorization_code",
            "code": query(late)["code"], "redirect_uri": CALLBACK}
    assert requests.post(s.base + "/v2/oauth/token/", data=form, timeout=10).json()["error"] == "invalid_grant"


def flow_pkce(s):
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3"
    session = s.session()
    back = s.consent(session, code_challenge=challenge, code_challenge_method="S256")
    assert session.fetch_token(s.base + "/v2/oauth/token/", authorization_response=back, code_verifier=verifier)
    usual = s.session()
    back = s.consent(usual, code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method="S256")
    try:
        usual.fetch_token(s.base + "/v2/oauth/token/", authorization_response=back, code_verifier=verifier)
        raise AssertionError("base64url is refused")
    except OAuthError as error:
        assert error.error == "invalid_request" and "Code verifier" in error.description


def flow_refresh(s):
    session = s.session()
    token = session.fetch_token(s.base + "/v2/oauth/token/", authorization_response=s.consent(session))
    first = token["refresh_token"]

    def renew(refresh):
        form = {"client_key": s.key, "client_secret": s.secret, "grant_type": "refresh_token", "refresh_token": refresh}
        return requests.post(s.base + "/v2/oauth/token/", data=form, timeout=10).json()

    second = renew(first)
    assert second["refresh_token"] != first and second["access_token"] != token["access_token"]
    assert renew(first)["refresh_token"], "within the time of grace"
    s.advance(400)
    assert renew(first)["error"] == "invalid_grant"
    s.set(refresh_grace_seconds=0)
    token = s.connect()
    renew(token["refresh_token"])
    assert renew(token["refresh_token"])["error"] == "invalid_grant"
    token = s.connect()
    assert s.get("/v2/user/info/?fields=open_id", token["access_token"]).status_code == 200
    s.advance(86_400)
    refused(s.get("/v2/user/info/?fields=open_id", token["access_token"]), 401, "access_token_invalid")
    fresh = renew(token["refresh_token"])["access_token"]
    assert ok(s.get("/v2/user/info/?fields=open_id", fresh))["user"]["open_id"] == token["open_id"]
    form = {"client_key": s.key, "client_secret": s.secret, "token": fresh}
    gone = requests.post(s.base + "/v2/oauth/revoke/", data=form, timeout=10)
    assert gone.status_code == 200 and not gone.content
    refused(s.get("/v2/user/info/?fields=open_id", fresh), 401, "access_token_invalid")
    s.local.wait("authorization.removed")


def flow_display(s):
    for account, count in ((0, 100), (1, 20), (3, 0), (6, 21), (8, 349)):
        token = s.connect(str(account))["access_token"]
        seen, body = [], {"max_count": 20}
        while True:
            data = ok(s.post("/v2/video/list/?fields=id,create_time,view_count,title", token, body))
            assert len(data["videos"]) <= 20
            seen += data["videos"]
            if not data["has_more"]:
                break
            assert data["cursor"] > 10**12, "milliseconds"
            body["cursor"] = data["cursor"]
        assert len({v["id"] for v in seen}) == len(seen) == count, (account, len(seen))
        times = [v["create_time"] for v in seen]
        assert times == sorted(times, reverse=True) and all(t < 10**11 for t in times), "seconds"
        ids = [v["id"] for v in seen[:20]]
        if ids:
            found = ok(s.post("/v2/video/query/?fields=id", token, {"filters": {"video_ids": ids}}))["videos"]
            assert [v["id"] for v in found] == ids
    other = s.connect("0")["access_token"]
    assert ok(s.post("/v2/video/query/?fields=id", other, {"filters": {"video_ids": ids}}))["videos"] == []
    refused(s.post("/v2/video/query/?fields=id", other, {"filters": {"video_ids": ["1"] * 21}}), 400, "invalid_params")
    refused(s.post("/v2/video/list/", other), 400, "invalid_params")
    user = ok(s.get("/v2/user/info/?fields=open_id,username,follower_count", other))["user"]
    assert set(user) == {"open_id", "username", "follower_count"}
    basic = s.connect("0", "user.info.basic")["access_token"]
    refused(s.post("/v2/video/list/?fields=id", basic), 401, "scope_not_authorized")
    refused(s.get("/v2/user/info/?fields=username", basic), 400, "scope_permission_missed")
    one = {"filters": {"video_ids": [ok(s.post("/v2/video/list/?fields=id", other))["videos"][0]["id"]]}}
    fields = "/v2/video/query/?fields=view_count,like_count,cover_image_url"
    before = ok(s.post(fields, other, one))["videos"][0]
    assert requests.get(before["cover_image_url"], timeout=10).headers["Content-Type"].startswith("image/")
    s.advance(6 * 3600 + 1)
    after = ok(s.post(fields, other, one))["videos"][0]
    assert after["view_count"] > before["view_count"] and after["like_count"] >= before["like_count"]
    assert requests.get(before["cover_image_url"], timeout=10).status_code == 403


def flow_crowd(s):
    """A hundred accounts have ten thousand videos, each once and under its own id."""
    def read(account):
        token = s.connect(str(account))
        seen, body = [], {"max_count": 20}
        while True:
            data = ok(s.post("/v2/video/list/?fields=id", token["access_token"], body))
            seen += [v["id"] for v in data["videos"]]
            if not data["has_more"]:
                return token["open_id"], seen
            body["cursor"] = data["cursor"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        people = dict(pool.map(read, range(CROWD)))
    assert len(people) == CROWD and len({i for ids in people.values() for i in ids}) == CROWD * 100
    assert sum(len(ids) for ids in people.values()) == CROWD * 100


def flow_upload(s):
    token = s.connect("3")["access_token"]
    film = os.urandom(50_000_123)
    data = ok(s.begin(token, len(film), 10 * MB))
    assert data["publish_id"].startswith("v_pub_file~v2-1.") and len(data["publish_id"]) <= 64
    assert data["upload_url"].startswith(s.upload_base) and len(data["upload_url"]) <= 256
    statuses = []
    for first, end in chunks(len(film), 10 * MB):
        answer = put(data["upload_url"], film[first:end], first, len(film))
        statuses.append(answer.status_code)
        assert answer.headers["Content-Range"] == f"bytes 0-{end - 1}/{len(film)}"
    assert statuses == [206, 206, 206, 206, 201], statuses
    s.advance(30)
    status = s.status(token, data["publish_id"])
    assert status["status"] == "PUBLISH_COMPLETE" and status["uploaded_bytes"] == len(film)
    assert s.tell("GET", "/effects/keys")["tiktok"] == {content_hash(film): {"post.published": 1}}
    for size, chunk, count in ((15 * MB, 10 * MB, 1), (50_000_123, 10 * MB, 6), (100 * MB, 100 * MB, 1), (100 * MB, 4 * MB, 25)):
        source = {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk, "total_chunk_count": count}
        refused(s.post("/v2/post/publish/inbox/video/init/", token, {"source_info": source}), 400, "invalid_param")
    whole = os.urandom(64 * MB)
    data = ok(s.begin(token, len(whole)))
    assert put(data["upload_url"], whole, 0, len(whole)).status_code == 201


def flow_interrupted(s):
    token = s.connect("3")["access_token"]
    film = os.urandom(12 * MB)
    data = ok(s.begin(token, len(film), 6 * MB))
    url = data["upload_url"]
    s.faults({"path": "/video/", "times": 1, "drop": "during", "drop_after_bytes": MB})
    try:
        put(url, film[:6 * MB], 0, len(film))
        raise AssertionError("the connection is cut")
    except requests.exceptions.ConnectionError:
        pass
    assert s.status(token, data["publish_id"])["uploaded_bytes"] == 0
    s.faults({"path": "/video/", "times": 1, "status": 503}, {"path": "/video/", "times": 1, "drop": "after"})
    assert put(url, film[:6 * MB], 0, len(film)).status_code == 503
    try:
        put(url, film[:6 * MB], 0, len(film))
        raise AssertionError("the answer is lost")
    except requests.exceptions.ConnectionError:
        pass
    assert s.status(token, data["publish_id"])["uploaded_bytes"] == 6 * MB
    again = put(url, film[:6 * MB], 0, len(film))
    assert again.status_code == 416 and again.headers["Content-Range"] == f"bytes 0-{6 * MB - 1}/{len(film)}"
    assert put(url, film[7 * MB:], 7 * MB, len(film)).status_code == 416
    assert put(url, film[6 * MB:], 6 * MB, len(film), **{"Content-Type": "text/plain"}).status_code == 400
    assert put(url + "x", film[6 * MB:], 6 * MB, len(film)).status_code == 403
    assert put(s.upload_base + "/video/?upload_id=1&upload_token=1", b"film", 0, 4).status_code == 404
    with socket.create_connection(("127.0.0.1", int(s.upload_base.rsplit(":", 1)[1]))) as half:
        target = url.replace(s.upload_base, "")
        half.sendall(
            f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: video/mp4\r\nContent-Length: {6 * MB}\r\n"
            f"Content-Range: bytes {6 * MB}-{12 * MB - 1}/{12 * MB}\r\n\r\n".encode() + film[6 * MB:7 * MB])
    time.sleep(0.2)
    assert s.status(token, data["publish_id"])["uploaded_bytes"] == 6 * MB, "half a chunk is none"
    s.advance(3600)
    assert put(url, film[6 * MB:], 6 * MB, len(film)).status_code == 403
    effects = s.effects()
    assert effects["chunk.received"] == 1 and effects["chunk.received_again"] == 1 and "post.published" not in effects


def flow_killed(s):
    """What was answered before the sandbox was killed is there afterwards."""
    film = os.urandom(12 * MB)
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--file", folder + "/journal"]
        one = Sandbox(s.patchbay, *flags)
        token = one.connect("3")["access_token"]
        data = ok(one.begin(token, len(film), 6 * MB))
        assert put(data["upload_url"], film[:6 * MB], 0, len(film)).status_code == 206
        one.process.kill()
        one.process.wait(10)
        two = Sandbox(s.patchbay, *flags)
        url = two.upload_base + "/video/?" + urllib.parse.urlsplit(data["upload_url"]).query
        assert put(url, film[6 * MB:], 6 * MB, len(film)).status_code == 201
        two.advance(30)
        assert two.status(token, data["publish_id"])["status"] == "PUBLISH_COMPLETE"
        assert content_hash(film) in two.tell("GET", "/effects/keys")["tiktok"]
        two.process.kill()
        two.process.wait(10)


def flow_life(s):
    token = s.connect("3")["access_token"]
    assert ok(s.post("/v2/post/publish/creator_info/query/", token))["privacy_level_options"][0] == "PUBLIC_TO_EVERYONE"
    public, private = s.posted(token), s.posted(token, b"other", privacy="SELF_ONLY")
    s.advance(5)
    assert s.status(token, public) == {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [], "uploaded_bytes": 4}
    s.advance(20)
    text = s.post("/v2/post/publish/status/fetch/", token, {"publish_id": public}).text
    number = json.loads(text)["data"]["publicaly_available_post_id"][0]
    assert isinstance(number, int) and number > 2**53 and f"[{number}]" in text
    assert s.status(token, private)["publicaly_available_post_id"] == []
    assert [v["id"] for v in ok(s.post("/v2/video/list/?fields=id", token))["videos"]] == [str(number)]
    draft = s.posted(token, b"draft", inbox=True)
    s.advance(5)
    assert s.status(token, draft)["status"] == "SEND_TO_USER_INBOX"
    s.act("finish_draft", publish_id=draft)
    assert s.status(token, draft)["status"] == "PUBLISH_COMPLETE"
    choices = {x["name"]: x.get("choices") for x in s.tell("GET", "/platforms/tiktok")["settings"]}
    for reason in choices["fail_reason"]:
        s.set(fail_reason=reason)
        lost = s.posted(token, reason.encode())
        s.advance(5)
        status = s.status(token, lost)
        assert status["status"] == "FAILED" and status["fail_reason"] == reason, status
    s.set(fail_reason=None)
    for code in choices["init_error"]:
        s.set(init_error=code)
        assert s.begin(token, 4).json()["error"]["code"] == code
    s.set(init_error=None)
    for code in choices["creator_info_error"]:
        s.set(creator_info_error=code)
        refused(s.post("/v2/post/publish/creator_info/query/", token), 200, code)
    refused(s.post("/v2/post/publish/cancel/", token, {"publish_id": public}), 400, "publish_not_cancellable")
    s.local.wait("post.publish.complete", "post.publish.publicly_available", "post.publish.inbox_delivered", "post.publish.failed")


def flow_pull(s):
    token = s.connect("3")["access_token"]
    film = b"film" * 1000
    s.local.files["/films/a.mp4"] = (200, "video/mp4", film, {})
    s.local.files["/films/moved.mp4"] = (302, "video/mp4", b"", {"Location": "/films/a.mp4"})
    s.local.files["/films/a.txt"] = (200, "text/plain", b"no film", {})
    info = {"privacy_level": "SELF_ONLY", "brand_content_toggle": False}

    def pull(url):
        body = {"post_info": info, "source_info": {"source": "PULL_FROM_URL", "video_url": url}}
        return s.post("/v2/post/publish/video/init/", token, body)

    refused(pull("https://media.rye.example/films/a.mp4"), 403, "url_ownership_unverified")
    s.set(verified_prefixes=["rye.example"], pull_origin=s.local.url, processing_seconds=0)
    refused(pull("http://media.rye.example/films/a.mp4"), 400, "invalid_params")

    def outcome(name):
        publish_id = ok(pull("https://media.rye.example/films/" + name))["publish_id"]
        assert publish_id.startswith("v_pub_url~")
        for _ in range(100):
            status = s.status(token, publish_id)
            if status["status"] != "PROCESSING_DOWNLOAD":
                return status
            time.sleep(0.05)
        raise AssertionError(status)

    done = outcome("a.mp4")
    assert done["status"] == "PUBLISH_COMPLETE" and done["downloaded_bytes"] == len(film)
    assert content_hash(film) in s.tell("GET", "/effects/keys")["tiktok"]
    assert outcome("none.mp4")["fail_reason"] == "video_pull_failed"
    assert outcome("moved.mp4")["fail_reason"] == "video_pull_failed"
    assert outcome("a.txt")["fail_reason"] == "file_format_check_failed"
    assert s.local.asked.count("/films/a.mp4") == 1, "redirects are not followed"


def flow_limits(s):
    token = s.connect("3")["access_token"]
    assert all(s.begin(token, 4).status_code == 200 for _ in range(10)), "no limit unless told to"
    s.tell("POST", "/reset", {"seed": 7})
    s.set(limits=True)
    token = s.connect("3")["access_token"]
    answers = [s.begin(token, 4) for _ in range(7)]
    assert [a.status_code for a in answers] == [200] * 6 + [429] and "Retry-After" not in answers[6].headers
    refused(answers[6], 429, "rate_limit_exceeded")
    s.advance(60)
    assert s.begin(token, 4).status_code == 200
    assert [s.post("/v2/post/publish/creator_info/query/", token).status_code for _ in range(21)] == [200] * 20 + [429]
    s.advance(60)
    assert [s.begin(token, 4, inbox=True).json()["error"]["code"] for _ in range(6)] == ["ok"] * 5 + ["spam_risk_too_many_pending_share"]
    s.set(audited=False)
    refused(s.begin(s.connect("4")["access_token"], 4), 403, "unaudited_client_can_only_post_to_private_accounts")


def proven(s, body, header, secret=None):
    parts = dict(p.strip().split("=", 1) for p in header.split(","))
    made = hmac.new((secret or s.secret).encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made, parts["s"]) and abs(time.time() - int(parts["t"])) < 60


def flow_webhooks(s):
    token = s.connect("3")["access_token"]
    s.set(processing_seconds=0, moderation_seconds=0)
    publish_id = s.posted(token)
    assert s.local.wait("post.publish.complete", "post.publish.publicly_available") == [
        "post.publish.complete", "post.publish.publicly_available"]
    for body, header, name in s.local.received:
        event = json.loads(body)
        assert list(event) == ["client_key", "event", "create_time", "user_openid", "content"] and event["client_key"] == s.key
        assert isinstance(event["content"], str) and json.loads(event["content"])["publish_id"] == publish_id
        assert proven(s, body, header) and name == "TikTok-Signature"
    assert isinstance(json.loads(s.local.events()[1]["content"])["post_id"], str)
    s.local.received.clear()
    s.faults({"webhooks": {"repeat": 2}})
    s.posted(token, b"thrice", privacy="SELF_ONLY")
    s.local.wait(*["post.publish.complete"] * 3)
    assert len({b for b, _, _ in s.local.received}) == 1
    time.sleep(0.1)
    s.local.received.clear()
    s.faults({"webhooks": {"wrong_signature": True}})
    s.posted(token, b"forged", privacy="SELF_ONLY")
    s.local.wait("post.publish.complete")
    assert not proven(s, *s.local.received[0][:2])
    s.local.received.clear()
    s.faults({"webhooks": {"signed_seconds_ago": 7200}})
    s.posted(token, b"stale", privacy="SELF_ONLY")
    s.local.wait("post.publish.complete")
    assert 7100 < time.time() - int(s.local.received[0][1].split(",")[0][2:]) < 7300
    s.faults()
    s.local.received.clear()
    s.set(signature_header="Tiktok-Signature")
    s.act("disconnect", account="3")
    s.local.wait("authorization.removed")
    assert s.local.received[0][2] == "Tiktok-Signature"
    refused(s.get("/v2/user/info/?fields=open_id", token), 401, "access_token_invalid")
    for kind in s.tell("GET", "/samples")["tiktok"]:
        s.local.received.clear()
        sent = s.tell("POST", "/send", {"platform": "tiktok", "event": kind, "overrides": {"publish_id": "v~9"}})
        assert sent["endpoints"] == 1
        s.local.wait(kind)
        body, header, _ = s.local.received[0]
        assert proven(s, body, header) and json.loads(json.loads(body)["content"])["publish_id"] == "v~9"
    rolled = s.tell("POST", "/secrets/roll", {"platform": "tiktok"})["secret"]
    s.local.received.clear()
    s.tell("POST", "/send", {"platform": "tiktok", "event": "authorization.removed"})
    s.local.wait("authorization.removed")
    assert proven(s, *s.local.received[0][:2], rolled) and not proven(s, *s.local.received[0][:2])
    s.secret = rolled  # keys outlive a reset


def flow_faults(s):
    token = s.connect("3")["access_token"]
    s.faults({"path": "/v2/user/info/", "times": 1, "status": 401}, {"path": "/v2/user/info/", "times": 1, "status": 502, "body": "<html>Bad gateway</html>"})
    refused(s.get("/v2/user/info/?fields=open_id", token), 401, "access_token_invalid")
    page = s.get("/v2/user/info/?fields=open_id", token)
    assert page.status_code == 502 and page.text.startswith("<html>") and page.headers["Content-Type"].startswith("text/html")
    s.faults({"times": 1, "truncate": True}, {"times": 1, "status": 200, "code": "internal_error"})
    half = s.get("/v2/user/info/?fields=open_id", token)
    try:
        half.json()
        raise AssertionError("half a body is no JSON")
    except requests.exceptions.JSONDecodeError:
        pass
    refused(s.get("/v2/user/info/?fields=open_id", token), 200, "internal_error")
    s.faults({"path": "/v2/oauth/token/", "times": 1, "status": 503}, {"path": "/v2/oauth/token/", "times": 1, "status": 200, "code": "invalid_grant"})
    form = {"client_key": s.key, "client_secret": s.secret, "grant_type": "client_credentials"}
    lost, flat = (requests.post(s.base + "/v2/oauth/token/", data=form, timeout=10) for _ in range(2))
    assert lost.status_code == 503 and lost.json()["error"] == "temporarily_unavailable"
    assert flat.status_code == 200 and flat.json()["error"] == "invalid_grant"
    s.faults({"path": "/v2/post/publish/video/init/", "times": 1, "drop": "after"})
    try:
        s.begin(token, 4)
        raise AssertionError("the answer is lost")
    except requests.exceptions.ConnectionError:
        pass
    assert s.effects()["init.video"] == 1


def flow_reset(s):
    seen, took = [], []
    for seed in (7, 7, 8):
        began = time.perf_counter()
        s.tell("POST", "/reset", {"seed": seed})
        took.append(time.perf_counter() - began)
        token = s.connect("3")
        seen.append((token["open_id"], token["access_token"], ok(s.begin(token["access_token"], 4))["publish_id"]))
    assert seen[0] == seen[1] != seen[2], seen
    assert min(took) < 0.05, f"reset took {took} s"


def main():
    patchbay, *names = sys.argv[1:]
    flows = {name[5:]: work for name, work in globals().items() if name.startswith("flow_")}
    sandbox = Sandbox(patchbay, "--ephemeral")
    sandbox.patchbay = patchbay
    passed = failed = 0
    try:
        for name, work in flows.items():
            if names and name not in names:
                continue
            sandbox.tell("POST", "/reset", {"seed": 7})
            sandbox.local.received.clear()
            try:
                work(sandbox)
                passed += 1
            except Exception as problem:
                failed += 1
                line = traceback.extract_tb(problem.__traceback__)
                place = next((f for f in reversed(line) if f.filename == __file__ and f.name.startswith("flow_")), line[-1])
                print(f"{name}, line {place.lineno}: {type(problem).__name__}: {str(problem)[:1000] or place.line}")
    finally:
        sandbox.process.terminate()
        sandbox.process.wait(10)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
