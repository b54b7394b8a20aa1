"""Bars about many platforms' webhooks: every scheme side by side, proof against bare HMAC, other receivers, and finding."""

import base64
import hashlib
import hmac
import json
import statistics
import subprocess
import time

from . import machine
from .ingest import GATEWAY, WARM_UP, WHOLE, WORKERS
from .results import Result
from .servers import API, fastapi, load, patchbay, replay, settings, webhook
from .slices import in_turn, say, until

TEXT = "0123456789abcdef0123456789abcdef"
KEYS = {
    "AUTHNET_SIGNATURE_KEY": TEXT, "BRAINTREE_PUBLIC_KEY": TEXT[:16], "BRAINTREE_PRIVATE_KEY": TEXT,
    "META_APP_SECRET": TEXT, "STANDARD_WEBHOOKS_SECRET": "whsec_" + base64.b64encode(TEXT.encode()).decode(),
    "TIKTOK_CLIENT_KEY": "awbench1234567890", "TIKTOK_CLIENT_SECRET": TEXT, "TIKTOK_SHOP_APP_KEY": "6a1b2c3d4e5f6",
    "TIKTOK_SHOP_APP_SECRET": TEXT, "TWILIO_AUTH_TOKEN": TEXT, "X_CONSUMER_SECRET": TEXT,
    "GENERIC_WEBHOOKS": json.dumps({"bench": {"secrets": [TEXT], "header": "X-Bench-Signature"}}),
}
# With the hash beneath each.
SCHEMES = {
    "stripe": "sha256", "standard-webhooks": "sha256", "tiktok": "sha256", "tiktok-shop": "sha256", "instagram": "sha256",
    "x": "sha256", "generic/bench": "sha256", "authorize-net": "sha512", "twilio": "sha1", "braintree": "sha1",
}
BODY, SMALL = 2048, 600  # bytes
MEMBERS = {"meta": "app_secrets", "x": "consumer_secrets"}  # of `secret`, in a line of patchbay verify
CONNECTIONS = (1, 64, 512)
ENOUGH = 1.5  # times what a slice is thought to need


class Signed:
    """Requests that Patchbay signed for a server, made for each slice, and what was answered."""

    def __init__(self, run, server, providers):
        self.run, self.server, self.providers = run, server, ",".join(providers)
        self.file = run.folder / f"requests-{self.providers[:12].replace('/', '-')}"
        self.rate, self.answered, self.refused = 4000, 0, {}

    def slice(self, seconds, connections=64):
        count = max(100, int(self.rate * seconds * ENOUGH))
        command = [self.run.binary, "bench", "sign", "--providers", self.providers, "--count", count, "--bytes", BODY,
                   "--base", f"http://127.0.0.1:{self.server.port}"]
        with open(self.file, "wb") as out:
            done = subprocess.run([str(part) for part in command], stdout=out, stderr=subprocess.PIPE,
                                  env=settings(self.run.binary) | KEYS, text=True)
        if done.returncode != 0:
            raise machine.Failed(f"patchbay bench sign: {done.stderr.strip()[-300:]}")
        result = replay(self.server, self.file, seconds, connections)
        self.file.unlink()
        for status, number in result["statuses"].items():
            if status == "200":
                self.answered += number
            else:
                self.refused[status] = self.refused.get(status, 0) + number
        self.rate = max(500, result["per_second"])
        return result


def schemes(run, engine):
    """Verify and keep: ten platforms in equal parts against Stripe alone; then each by itself."""
    store = run.store(engine, "schemes")
    with patchbay(run.binary, GATEWAY, store, more=KEYS) as server:
        mixed, alone = Signed(run, server, SCHEMES), Signed(run, server, ["stripe"])
        mixed.slice(WARM_UP)
        alone.slice(WARM_UP)
        pairs = in_turn(
            lambda: mixed.slice(run.seconds)["per_second"], lambda: alone.slice(run.seconds)["per_second"],
            run.slices, run.folder, ("ten schemes", "Stripe"))
        each = {name: Signed(run, server, [name]) for name in SCHEMES}
        rates = {name: statistics.median(one.slice(run.seconds)["per_second"] for _ in range(3)) for name, one in each.items()}
        everyone = [mixed, alone, *each.values()]
    answered, stored = sum(one.answered for one in everyone), store.count("deliveries")
    refused = {f"{one.providers[:20]} {status}": count for one in everyone for status, count in one.refused.items()}
    fault = f"not everything was answered 200: {refused}" if refused else (
        "" if answered == stored else "what was answered is not what is stored")
    note = ", ".join(f"{name} {rate:,.0f}" for name, rate in sorted(rates.items(), key=lambda pair: -pair[1]))
    yield Result(
        f"schemes-{engine}", f"Ten schemes in equal parts ÷ Stripe alone, {store.name}", pairs.ratio, 0.8, 0.8,
        notes=[f"ten {pairs.median(0) or 0:,.0f}/s, Stripe {pairs.median(1) or 0:,.0f}/s (medians), bodies of {BODY} bytes",
               f"verified and kept a second, each alone: {note}", f"answered {answered:,}, stored {stored:,}"],
        lines=pairs.lines, fault=fault or pairs.fault)
    run.done(store)


def verification(run, engine):
    """Header, HMAC and compare against a bare HMAC of the same bytes, in one thread; the slowest of ten schemes counts."""
    named = ",".join(f"{name}:{algorithm}" for name, algorithm in SCHEMES.items())
    lines, worst = [], {}
    for size in (BODY, SMALL):
        text = machine.output(
            run.binary, "bench", "verification", "--schemes", named, "--bytes", size, "--milliseconds",
            max(20, int(run.seconds * 40)), env=settings(run.binary) | KEYS)
        found = [json.loads(line) for line in text.splitlines()]
        worst[size] = min(found, key=lambda one: one["permille"])
        lines += [f"  {one['scheme']:<18} {one['bytes']:>5} bytes {one['per_second']:>9,}/s  bare {one['bare_per_second']:>9,}/s  "
                  f"{one['permille'] / 1000:.2f}" for one in found]
    slowest = worst[BODY]
    yield Result(
        "verification", "Verification ÷ bare HMAC, the slowest of ten schemes", slowest["permille"] / 1000, 0.6, 0.85,
        notes=[f"{slowest['scheme']}, bodies of {BODY} bytes; with {SMALL} bytes {worst[SMALL]['scheme']} "
               f"{worst[SMALL]['permille'] / 1000:.2f}; load {machine.load_average():.2f}"], lines=lines)


def verify(run, engine):
    """Lines a second of `patchbay verify`, HMAC schemes, bodies of 600 bytes, all cores."""
    count, file = run.scaled(300_000, least=2000), run.folder / "deliveries.jsonl"
    with open(file, "w") as out:
        for number in range(count):
            out.write(recorded(number) + "\n")
    taken = []
    for _ in range(3):
        with open(file) as lines, open(run.folder / "verdicts.jsonl", "w+") as verdicts:
            began = time.monotonic()
            done = subprocess.run([str(run.binary), "verify"], stdin=lines, stdout=verdicts, env=settings(run.binary))
            taken.append(time.monotonic() - began)
            verdicts.seek(0)
            accepted = sum('"accept"' in line for line in verdicts)
    yield Result(
        "verify", "Lines of patchbay verify, bodies of 600 bytes, all cores", count / statistics.median(taken), 30_000, 60_000,
        "/s", notes=[f"{count:,} lines, {accepted:,} accepted; " + ", ".join(f"{x:.2f} s" for x in taken)
                     + f"; load {machine.load_average():.2f}"],
        fault="" if done.returncode == 0 and accepted == count else f"{accepted:,} of {count:,} lines were accepted")
    file.unlink()


def recorded(number):
    """A delivery as one line, in turn of four schemes."""
    body = json.dumps({"id": f"evt_{number:012}", "type": "payment.updated", "note": ""})
    body = (body[:-2] + "r" * (SMALL - len(body)) + '"}').encode()
    now, scheme = "1795255200", ("stripe", "meta", "x", "standard-webhooks")[number % 4]
    key, secret = TEXT.encode(), TEXT

    def mac(content):
        return hmac.new(key, content, hashlib.sha256)

    if scheme == "stripe":
        headers = [["Stripe-Signature", f"t={now},v1={mac(now.encode() + b'.' + body).hexdigest()}"]]
    elif scheme == "meta":
        headers = [["X-Hub-Signature-256", "sha256=" + mac(body).hexdigest()]]
    elif scheme == "x":
        headers = [["x-twitter-webhooks-signature", "sha256=" + base64.b64encode(mac(body).digest()).decode()]]
    else:
        secret, content = KEYS["STANDARD_WEBHOOKS_SECRET"], f"msg_{number}.{now}.".encode() + body
        headers = [["webhook-id", f"msg_{number}"], ["webhook-timestamp", now],
                   ["webhook-signature", "v1," + base64.b64encode(mac(content).digest()).decode()]]
    return json.dumps({"scheme": scheme, "secret": {MEMBERS.get(scheme, "secrets"): [secret]}, "method": "POST",
                       "url": f"https://patchbay.example.com/webhooks/{scheme}", "headers": headers,
                       "body_base64": base64.b64encode(body).decode(), "now": int(now)})


def receivers(run, engine):
    """Debian's webhook and FastAPI beside us at 1, 64 and 512 connections: rate, lateness, memory. No bar."""
    machine.prepare_peers()
    ours, theirs = run.store(engine, "receivers-ours"), run.store(engine, "receivers-theirs", migrated=False)
    rows, faults = [], []

    def note(who, connections, result, memory):
        statuses = {status: count for status, count in result["statuses"].items() if status != "200"}
        if statuses or result["broken"] or result["unanswered"]:
            faults.append(f"{who} with {connections} connections: {statuses}, {result['broken']} broken, "
                          f"{result['unanswered']} unanswered")
        line = (f"  {who:<10} {connections:>4} connections {result['per_second']:>9,.0f}/s  p50 {result['p50_ms']:>8.2f}  "
                f"p99 {result['p99_ms']:>8.2f}  p99.9 {result['p999_ms']:>8.2f} ms  {memory:>6.0f} MiB")
        rows.append((who, connections, result, line))
        say(line)

    with patchbay(run.binary, GATEWAY, ours, more=KEYS) as server, webhook(run.folder, TEXT) as other:
        for who, receiver in (("Patchbay", server), ("webhook", other)):
            signed = Signed(run, receiver, ["instagram"])
            signed.slice(WARM_UP)
            for connections in CONNECTIONS:
                note(who, connections, signed.slice(run.seconds, connections), receiver.memory()[1])
    workers = WORKERS[1]
    with fastapi(theirs.url, run.folder, workers) as server:
        load(server, WARM_UP)
        for connections in CONNECTIONS:
            note("FastAPI", connections, load(server, run.seconds, connections), tree_memory(server.pid))
    lines = [row[3] for row in rows]
    for peer in ("webhook", "FastAPI"):
        ratios = [a[2]["per_second"] / max(1, b[2]["per_second"]) for a in rows for b in rows
                  if a[0] == "Patchbay" and b[0] == peer and a[1] == b[1] == 64]
        keeps = "" if peer == "FastAPI" else ", which keeps nothing and starts a program"
        yield Result(
            f"receivers-{engine}", f"Verify and keep at 64 connections, {ours.name} ÷ {peer}{keeps}", statistics.median(ratios),
            notes=[f"FastAPI with {workers} workers; memory is the peak, of all of its processes"] if lines else [],
            lines=lines, fault="; ".join(faults))
        lines = []
    run.done(ours, theirs)


def tree_memory(pid):
    """Peak MiB of a process and its children."""
    children = machine.output("ps", "-o", "pid=", "--ppid", pid).split()
    total = 0
    for each in [pid, *children]:
        with open(f"/proc/{each}/status") as lines:
            total += sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return total


def find(run, engine):
    """Events by a value that they hold, at a million events: p95 of 200 searches over HTTP."""
    store, events = run.store(engine, "find"), run.scaled(1_000_000, least=2000)
    say(f"  stores {events:,} events")
    with patchbay(run.binary, GATEWAY, store) as server:
        # By ourselves, since what is read again must have our checksums; of a type that asks for no job.
        load(server, 0, event_type="product.updated", count=events)
    with patchbay(run.binary, WHOLE, store) as server:
        api, began = API(run.binary, store, server), time.monotonic()
        if not until(lambda: is_indexed(store, api), within=1800, every=0.2):
            raise machine.Failed("half an hour after the start not all events are indexed")
        indexing, taken, found = time.monotonic() - began, [], 0
        for number in range(200):
            path = f"/v1/events?limit=20&find=cus_Bench{number * 49:09}"
            before = time.monotonic()
            found += len(api.call("GET", path)["data"]) > 0
            taken.append((time.monotonic() - before) * 1000)
    taken.sort()
    yield Result(
        f"find-{engine}", f"Find by value at a million events, p95, {store.name}", taken[int(len(taken) * 0.95)], 100, 100, "ms",
        is_lower_better=True,
        notes=[f"{events:,} events; {found} of {len(taken)} searches found some; p50 {statistics.median(taken):.1f}, most "
               f"{taken[-1]:.1f} ms; indexed within {indexing:.0f} s of the start; load {machine.load_average():.2f}"],
        fault="" if found >= len(taken) * min(0.9, events / 20_000) else f"only {found} of {len(taken)} searches found something")
    run.done(store)


def is_indexed(store, api):
    """Whether the newest event has its terms; who searches brings the index on."""
    api.call("GET", "/v1/events?limit=1&find=cus_Bench000000000")
    newest = store.value("SELECT max(id) FROM events")
    return store.count("event_terms", f"event_id = '{newest}'") > 0
