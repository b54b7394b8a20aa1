"""Bars about calls on a connection's behalf: what the proxy adds, and its rate beside nginx."""

import re

from . import machine
from .ingest import WARM_UP, WHOLE
from .results import Result
from .servers import API, nginx, patchbay, replay
from .slices import in_turn, until

RATE = 500  # a second
CONNECTIONS = 64


class Proxied:
    """Patchbay with one connection at a platform that answers at once."""

    def __init__(self, run, store, server):
        self.run, self.store, self.server = run, store, server
        self.api = API(run.binary, store, server)
        line = {"user_id": "rye", "provider": "generic", "account_id": "1", "access_token": "bench-access-token"}
        done = self.api.call("POST", "/v1/connections/import", {"connections": [line]})["results"][0]
        if done["outcome"] != "created":
            raise machine.Failed(f"the connection was not taken in: {done}")
        self.path = f"/v1/proxy/{done['connection_id']}/v2/thing"
        self.answered = 0

    def calls(self):
        return self.store.count("calls", "purpose = 'proxy'")

    def check(self):
        """A note, and a fault when not every call is recorded."""
        until(lambda: self.calls() >= self.answered, within=30, every=0.2)
        note = f"{self.answered:,} calls answered, {self.calls():,} recorded"
        return note, "" if self.calls() == self.answered else "not every call is recorded"


def settings(port):
    return {"OAUTH_AUTHORIZE_URL": f"http://127.0.0.1:{port}/authorize", "OAUTH_TOKEN_URL": f"http://127.0.0.1:{port}/token",
            "OAUTH_CLIENT_ID": "bench", "OAUTH_CLIENT_SECRET": "0123456789abcdef0123456789abcdef",
            "PATCHBAY_PUBLIC_URL": "http://127.0.0.1:8484", "PATCHBAY_RATE_LIMIT_KEY": "100000000",
            "PATCHBAY_RATE_LIMIT_ADDRESS": "100000000"}


def request(path, key=""):
    """A GET as `ingest --requests` reads it."""
    text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    text += f"Authorization: Bearer {key}\r\n\r\n" if key else "\r\n"
    return f"{len(text)}\n{text}"


def proxy(run, engine):
    """What the proxy adds to a call at 500 a second, open loop, each call recorded."""
    store = run.store(engine, "proxy")
    with nginx(run.folder, "platform") as platform, patchbay(run.binary, WHOLE, store, more=settings(platform.port)) as server:
        proxied = Proxied(run, store, server)
        ours, direct = run.folder / "proxied", run.folder / "direct"
        ours.write_text(request(proxied.path, proxied.api.key))
        direct.write_text(request("/v2/thing"))
        p50, p99 = [], []

        def sent(to, file, seconds):
            result = replay(to, file, seconds, CONNECTIONS, RATE, cycles=True)
            if set(result["statuses"]) != {"200"} or result["broken"] or result["unanswered"]:
                raise machine.Failed(f"not everything was answered 200: {result}")
            if to is server:
                proxied.answered += result["answered"]
            return result

        def slice_of_ours():
            result = sent(server, ours, run.long)
            p50.append(result["p50_ms"])
            p99.append(result["p99_ms"])
            return result["p50_ms"]

        def slice_direct():
            result = sent(platform, direct, run.long)
            p50[-1] -= result["p50_ms"]
            p99[-1] -= result["p99_ms"]
            return result["p50_ms"]

        sent(server, ours, WARM_UP)
        pairs = in_turn(slice_of_ours, slice_direct, run.long_slices, run.folder, ("proxied", "direct"), unit=" ms")
        note, fault = proxied.check()
    notes = [f"at {RATE} a second, {run.long:g} s a slice; the platform is nginx with an answer of 600 bytes", note,
             "added, slice by slice: " + ", ".join(f"p50 {a:.2f} p99 {b:.2f} ms" for a, b in zip(p50, p99))]
    for what, values, least, aim in (("p50", p50, 1, 0.4), ("p99", p99, 5, 2)):
        yield Result(
            f"proxy-{engine}", f"Added by the proxy at 500 calls a second, {what}, {store.name}", sorted(values)[len(values) // 2],
            least, aim, "ms", is_lower_better=True, notes=notes, lines=pairs.lines if notes else [], fault=fault or pairs.fault)
        notes = []
    run.done(store)


def through(run, engine):
    """Calls a second through the proxy with 64 connections against nginx as a reverse proxy with an access log."""
    store, faults = run.store(engine, "through"), []

    def wrk(port, path, *headers):
        text = machine.output("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, int(run.seconds))}s", *headers,
                              f"http://127.0.0.1:{port}{path}")
        if "Non-2xx" in text or "Socket errors" in text:
            faults.append(" ".join(line.strip() for line in text.splitlines() if "Non-2xx" in line or "Socket" in line))
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), int(re.search(r"(\d+) requests in", text)[1])

    with nginx(run.folder, "platform") as platform, nginx(run.folder, "proxy", platform.port) as other, patchbay(
            run.binary, WHOLE, store, more=settings(platform.port)) as server:
        proxied = Proxied(run, store, server)

        def slice_of_ours():
            rate, count = wrk(server.port, proxied.path, "-H", f"Authorization: Bearer {proxied.api.key}")
            proxied.answered += count
            return rate

        slice_of_ours()
        pairs = in_turn(slice_of_ours, lambda: wrk(other.port, "/v2/thing")[0], run.slices, run.folder, ("ours", "nginx"))
        # wrk leaves calls behind when its time is over: they are recorded too, and it does not count them.
        until(lambda: proxied.calls() >= proxied.answered, within=30, every=0.2)
        recorded = proxied.calls()
    if recorded < proxied.answered:
        faults.append("not every call is recorded")
    yield Result(
        f"through-{engine}", f"Calls through the proxy, {store.name} ÷ nginx", pairs.ratio, 0.25, 0.4,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s, nginx {pairs.median(1) or 0:,.0f}/s (medians), {CONNECTIONS} connections",
               f"{proxied.answered:,} calls answered, {recorded:,} recorded"],
        lines=pairs.lines, fault="; ".join(sorted(set(faults))) or pairs.fault)
    run.done(store)
