"""What is measured: Patchbay in its several forms, the peers, the sink. Each is a context that ends what it began."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from .machine import BENCHMARKS, BUILT, VENV, Failed, output

SECRET = "whsec_for_benchmarks_only"
READY_WITHIN = 60  # seconds
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def asked(url, body=None, timeout=10):
    """The answer's status and body; None where nobody answers."""
    try:
        with LOOPBACK.open(urllib.request.Request(url, data=body), timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return None, b""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program that runs beside us."""

    def __init__(self, command, environment, log, stdin=None, stdout=None):
        self.log = pathlib.Path(log)
        with open(log, "ab") as words:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=environment, stdin=stdin, stdout=stdout or words, stderr=words,
                text=stdout is subprocess.PIPE)

    @property
    def pid(self):
        return self.process.pid

    def wait_until(self, is_ready, what):
        end = time.monotonic() + READY_WITHIN
        while not is_ready():
            if self.process.poll() is not None:
                raise Failed(f"{what} ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > end:
                raise Failed(f"{what} is not ready after {READY_WITHIN} s: {self.last_words()}")
            time.sleep(0.005)

    def last_words(self):
        return " ".join(self.log.read_text(errors="replace").splitlines()[-3:])

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def memory(self):
        """Resident MiB now and at the peak."""
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return found["VmRSS"], found["VmHWM"]


# MARK: Patchbay

def settings(binary):
    """The environment that every form of Patchbay gets; nothing of ours but this."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    if not hasattr(settings, "key"):
        settings.key = output(binary, "vault", "key").strip()
    return kept | {
        "PATCHBAY_MODE": "test", "STRIPE_WEBHOOK_SECRET": SECRET, "PATCHBAY_ENCRYPTION_KEYS": settings.key,
        "PATCHBAY_LOG": "text,warning", "PATCHBAY_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
        "SWIFT_BACKTRACE": "enable=no",
    }


@contextlib.contextmanager
def patchbay(binary, verb, store, extra=(), more=None):
    """`serve`, or `bench gateway`, listening. `store` is a Store of stores.py, `more` are settings besides the usual."""
    port = free_port()
    command = [binary, *verb, "--database", store.url, "--listen", f"127.0.0.1:{port}", *extra]
    server = Process(command, settings(binary) | (more or {}), store.log)
    server.port = port
    try:
        server.wait_until(lambda: asked(f"http://127.0.0.1:{port}/livez")[0] == 200, "Patchbay")
        # What `bench gateway` says of its store; `serve` says nothing.
        said = server.log.read_text(errors="replace").splitlines()
        server.durability = next((line.removeprefix("store: ") for line in said if line.startswith("store: ")), "")
        yield server
    finally:
        server.stop()


def bench(binary, store, verb, *options):
    """A verb of `patchbay bench` that measures by itself: its line of JSON."""
    text = output(binary, "bench", verb, "--database", store.url, *options, env=settings(binary))
    return json.loads(text.splitlines()[-1])


@contextlib.contextmanager
def outward(binary, store, sink, events):
    """`bench outward`, events kept and ready to send. `begin()` starts it; the sink knows its secrets."""
    command = [binary, "bench", "outward", "--database", store.url, "--sink", f"http://127.0.0.1:{sink.port}",
               "--events", events]
    sender = Process(command, settings(binary), store.log, subprocess.PIPE, subprocess.PIPE)
    try:
        secrets = ""
        for line in sender.process.stdout:
            if line.strip() == "ready":
                break
            secrets += line
        else:
            raise Failed(f"patchbay bench outward: {sender.last_words()}")
        asked(f"http://127.0.0.1:{sink.port}/secrets", secrets.encode())

        def begin():
            sender.process.stdin.write("go\n")
            sender.process.stdin.flush()
        sender.begin = begin
        yield sender
    finally:
        sender.stop()


class API:
    """The server's API with a key that may do everything."""

    def __init__(self, binary, store, server):
        self.base = f"http://127.0.0.1:{server.port}"
        self.key = output(binary, "keys", "create", "--database", store.url, env=settings(binary)).strip().splitlines()[-1]

    def call(self, method, path, body=None, timeout=60, **headers):
        """The answer's JSON; raises Failed for what is not 2xx."""
        content = json.dumps(body).encode() if body is not None else None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, content, method=method, headers={
            "Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | named)
        try:
            with LOOPBACK.open(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read()[:300].decode(errors='replace')}") from None

    def keep(self, file):
        """A file as an object; its id."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.base.rpartition(":")[2]), timeout=600)
        with open(file, "rb") as content:
            connection.request("POST", "/v1/objects", content, {
                "Authorization": f"Bearer {self.key}", "Content-Length": str(os.path.getsize(file))})
            answer = connection.getresponse()
            said = json.loads(answer.read())
        connection.close()
        if answer.status != 201:
            raise Failed(f"the object was not kept: {answer.status} {said}")
        return said["id"]


# MARK: Peers and counterparts

class Sandbox(Process):
    """The simulated TikTok, with accounts that have consented."""

    SCOPES = "user.info.basic,user.info.profile,user.info.stats,video.list,video.upload,video.publish"
    CALLBACK = "http://127.0.0.1:8484/callback/tiktok"

    def __init__(self, binary, folder):
        super().__init__([binary, "sandbox", "--ephemeral", "--seed", "7"], settings(binary), folder / "sandbox.log",
                         stdout=subprocess.PIPE)
        said = json.loads(self.process.stdout.readline() or "null")
        if said is None:
            raise Failed(f"the sandbox ended: {self.last_words()}")
        self.control, self.told = said["control"], said["tiktok"]

    @property
    def settings(self):
        """What Patchbay must be told."""
        return {"TIKTOK_BASE_URL": self.told["base_url"], "TIKTOK_CLIENT_KEY": self.told["client_key"],
                "TIKTOK_CLIENT_SECRET": self.told["client_secret"]}

    def tell(self, method, path, body=None):
        content = json.dumps(body).encode() if body is not None else None
        with LOOPBACK.open(urllib.request.Request(self.control + path, content, method=method), timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def effects(self, name):
        return self.tell("GET", "/effects").get("tiktok", {}).get(name, 0)

    def consent(self, number):
        """An account's tokens, as a line that Patchbay takes in."""
        asked = urllib.parse.urlencode({"client_key": self.told["client_key"], "response_type": "code", "state": "s",
                                        "scope": self.SCOPES, "redirect_uri": self.CALLBACK})
        back = self.post(f"/v2/auth/authorize/?{asked}", {"account": str(number)}).headers["Location"]
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0]
        tokens = json.loads(self.post("/v2/oauth/token/", {
            "client_key": self.told["client_key"], "client_secret": self.told["client_secret"], "code": code,
            "grant_type": "authorization_code", "redirect_uri": self.CALLBACK}).read())
        return {"user_id": f"user-{number}", "provider": "tiktok", "account_id": tokens["open_id"],
                "access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
                "scopes": self.SCOPES.split(",")}

    def post(self, path, form):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.told["base_url"]).netloc, timeout=30)
        connection.request("POST", path, urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse()


@contextlib.contextmanager
def sandbox(binary, folder):
    process = Sandbox(binary, folder)
    try:
        yield process
    finally:
        process.stop()


NGINX = """daemon off; worker_processes auto; error_log {folder}/{name}.error error; pid {folder}/{name}.pid; {user}
events {{ worker_connections 2048; }}
http {{
  client_body_temp_path {folder}/{name}.body; proxy_temp_path {folder}/{name}.proxy; fastcgi_temp_path {folder}/{name}.1;
  uwsgi_temp_path {folder}/{name}.2; scgi_temp_path {folder}/{name}.3; keepalive_requests 1000000; default_type application/json;
  upstream platform {{ server 127.0.0.1:{behind}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; access_log {log}; location / {{ {work} }} }}
}}
"""


@contextlib.contextmanager
def nginx(folder, name, behind=None):
    """A platform that answers 600 bytes at once; with `behind` a reverse proxy in front of that port, with a log."""
    port, body = free_port(), json.dumps({"data": {"text": "r" * 570}, "error": {"code": "ok"}})
    work = f"return 200 '{body}';" if behind is None else (
        "proxy_pass http://platform; proxy_http_version 1.1; proxy_set_header Connection '';")
    configuration = folder / f"{name}.conf"
    configuration.write_text(NGINX.format(
        folder=folder, name=name, port=port, behind=behind or port, work=work, user="user root;" if os.getuid() == 0 else "",
        log="off" if behind is None else f"{folder}/{name}.access"))
    server = Process(["/usr/sbin/nginx", "-p", folder, "-c", configuration], None, folder / f"{name}.log")
    server.port = port
    try:
        server.wait_until(lambda: asked(f"http://127.0.0.1:{port}/")[0] == 200, "nginx")
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def webhook(folder, secret):
    """Debian's `webhook`: proves Meta's signature, then starts a program that does nothing. It keeps nothing."""
    port, hooks = free_port(), folder / "hooks.json"
    hooks.write_text(json.dumps([{"id": "instagram", "execute-command": "/bin/true", "trigger-rule": {"match": {
        "type": "payload-hmac-sha256", "secret": secret,
        "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}}, "trigger-rule-mismatch-http-response-code": 401}]))
    server = Process(["webhook", "-hooks", hooks, "-ip", "127.0.0.1", "-port", port, "-urlprefix", "webhooks"], None,
                     folder / "webhook.log")
    server.port = port
    try:
        server.wait_until(lambda: asked(f"http://127.0.0.1:{port}/")[0] is not None, "webhook")
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def fastapi(url, folder, workers):
    """The peer over a database, with its tables; `url` is sqlite:FILE or postgresql://…"""
    port = free_port()
    environment = dict(os.environ, DATABASE_URL=url, STRIPE_WEBHOOK_SECRET=SECRET,
                       POOL=str(max(4, 16 // workers)))
    command = [VENV / "bin/uvicorn", "app:app", "--app-dir", BENCHMARKS / "fastapi", "--port", port, "--workers", workers,
               "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    server = Process(command, environment, folder / "fastapi.log")
    server.port = port
    try:
        server.wait_until(lambda: asked(f"http://127.0.0.1:{port}/livez")[0] == 200, "FastAPI")
        time.sleep(1)  # the other workers
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def sink(folder):
    process = Process([BUILT / "sink"], None, folder / "sink.log", stdout=subprocess.PIPE)
    process.port = int(process.process.stdout.readline())
    process.stats = lambda: json.loads(asked(f"http://127.0.0.1:{process.port}/stats")[1])
    try:
        yield process
    finally:
        process.stop()


def replay(server, file, seconds, connections=64, rate=0, cycles=False):
    """The requests of a file for `seconds`, or until its end; what came back."""
    options = ["--port", server.port, "--requests", file, "--connections", connections, "--seconds", seconds, "--rate", rate]
    return json.loads(output(BUILT / "ingest", *options, *(["--cycle", 1] if cycles else [])))


def load(server, seconds, connections=64, rate=0, event_type="payment_intent.succeeded", count=0):
    """Signed events for `seconds`, or `count` of them; what came back."""
    options = ["--port", server.port, "--secret", SECRET, "--connections", connections, "--seconds", seconds,
               "--rate", rate, "--type", event_type, "--count", count]
    return json.loads(output(BUILT / "ingest", *options))
