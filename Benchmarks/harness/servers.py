"""What is measured: Patchbay in its several forms, the peers, the sink. Each is a context that ends what it began."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from .machine import BENCHMARKS, BUILT, VENV, Failed, output

SECRET = "whsec_bench"
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
def patchbay(binary, verb, store, extra=()):
    """`serve`, or `bench gateway`, listening. `store` is a Store of stores.py."""
    port = free_port()
    command = [binary, *verb, "--database", store.url, "--listen", f"127.0.0.1:{port}", *extra]
    server = Process(command, settings(binary), store.log)
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


# MARK: Peers and counterparts

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


def load(server, seconds, connections=64, rate=0, event_type="payment_intent.succeeded", count=0):
    """Signed events for `seconds`, or `count` of them; what came back."""
    options = ["--port", server.port, "--secret", SECRET, "--connections", connections, "--seconds", seconds,
               "--rate", rate, "--type", event_type, "--count", count]
    return json.loads(output(BUILT / "ingest", *options))
