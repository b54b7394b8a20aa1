"""Bars about looking at a million events: pages of the dashboard, and the event list by every filter."""

import http.cookiejar
import json
import statistics
import time
import urllib.parse
import urllib.request

from . import machine
from .ingest import GATEWAY, WHOLE
from .results import Result
from .servers import API, LOOPBACK, load, patchbay, settings
from .slices import say, until

# Of a million: one in 32,768, one in four, all but those. By the random end of an id.
FEW, MOST = "substr(id, 28, 3) = '000'", "substr(id, 30, 1) < '8'"
FILTERS = {
    "provider": {"none": "provider=tiktok", "few": "provider=x", "most": "provider=stripe"},
    "type": {"none": "type=no.such", "few": "type=rare.thing", "most": "type=product.updated"},
    "state": {"none": "state=queued", "few": "state=failed", "most": "state=ignored"},
    "user": {"none": "user_id=nobody", "few": "user_id=rare", "most": "user_id=often"},
    "connection": {"none": "connection_id=conn_none", "few": "connection_id=conn_rare", "most": "connection_id=conn_often"},
    "provider and type": {"none": "provider=stripe&type=rare.thing", "few": "provider=x&type=rare.thing",
                          "most": "provider=stripe&type=product.updated"},
    "connection and state": {"none": "connection_id=conn_often&state=failed", "few": "connection_id=conn_rare&state=failed",
                             "most": "connection_id=conn_often&state=ignored"},
    "type and time": {"none": "type=rare.thing&created_after={end}", "few": "type=rare.thing&created_before={middle}",
                      "most": "type=product.updated&created_before={middle}"},
}
PAGES = ("/", "/events", "/events?type=rare.thing", "/events/{event}", "/jobs", "/review", "/endpoints", "/users",
         "/connections", "/sync", "/publish", "/quotas", "/system")
FAR = 100  # pages
ASKED = 40  # times each


def pages(run, engine):
    """Pages of the dashboard and filters of the event list at a million events: p95 of each, the slowest counts."""
    store, events = run.store(engine, "pages"), run.scaled(1_000_000, least=5000)
    say(f"  stores {events:,} events")
    with patchbay(run.binary, GATEWAY, store) as server:
        load(server, 0, event_type="product.updated", count=events)
    store.change(
        f"UPDATE events SET type = 'rare.thing', provider = 'x', state = 'failed', user_id = 'rare', "
        f"connection_id = 'conn_rare' WHERE {FEW}")
    store.change(f"UPDATE events SET user_id = 'often', connection_id = 'conn_often' WHERE NOT ({FEW}) AND {MOST}")
    machine.output(run.binary, "operators", "add", "bench", "--database", store.url, env=settings(run.binary))
    link = json.loads(machine.output(
        run.binary, "operators", "sign-in-link", "bench", "--json", "--database", store.url, env=settings(run.binary)))
    with patchbay(run.binary, WHOLE, store) as server:
        api = API(run.binary, store, server)
        # The upkeep of a first start (values by which events are found) is not what is measured here.
        until(lambda: machine.load_average() < 1.5, within=240, every=2)
        yield from filtered(store, api, engine, events)
        yield from shown(store, server, link, engine, events)
    run.done(store)


def filtered(store, api, engine, events):
    begin, end = (store.value(f"SELECT {which}(received_at) FROM events") for which in ("min", "max"))
    middle, last = ((int(begin) + int(end)) // 2, int(end) + 1_000_000)
    times = {"middle": moment(middle), "end": moment(last)}
    slowest, lines = (0, "", 0), []
    for name, queries in FILTERS.items():
        for how_many, query in queries.items():
            path = "/v1/events?limit=20&" + query.format(**times)
            far, cursor, rows = path, None, 0
            for _ in range(FAR):
                page = api.call("GET", far)
                rows += len(page["data"])
                cursor = page.get("next_cursor")
                if not cursor:
                    break
                far = path + "&cursor=" + urllib.parse.quote(cursor)
            for where, address in (("first", path), ("hundredth", far)):
                if where == "hundredth" and not cursor:
                    continue
                p50, p95 = percentiles([timed(lambda: api.call("GET", address)) for _ in range(ASKED)])
                lines.append(f"  {name:<22}{how_many:<6}{where:<11}{p50:>8.1f}{p95:>8.1f} ms")
                slowest = max(slowest, (p95, f"{name}, {how_many}, {where} page", p50))
    yield Result(
        f"pages-{engine}", f"Event list by any filter at a million events, slowest p95, {store.name}", slowest[0], 100, 20,
        "ms", is_lower_better=True, lines=["  filter                matches page           p50     p95", *lines],
        notes=[f"{events:,} events; slowest: {slowest[1]}, p50 {slowest[2]:.1f} ms; over HTTP, with the payloads of 20 events"])


def shown(store, server, link, engine, events):
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
    base = f"http://127.0.0.1:{server.port}"
    address = urllib.parse.urlsplit(link["address"])
    browser.open(base + address.path + ("?" + address.query if address.query else "")).read()
    event = store.value("SELECT max(id) FROM events")
    slowest, largest, lines = (0, ""), (0, ""), []
    for path in PAGES:
        path = path.format(event=event)
        taken, size = [], 0
        for _ in range(ASKED):
            before = time.monotonic()
            request = urllib.request.Request(base + path, headers={"Accept": "text/html"})
            with browser.open(request, timeout=60) as answer:
                page = answer.read()
                if answer.geturl() != base + path:
                    raise machine.Failed(f"{path} led to {answer.geturl()}")
            taken.append((time.monotonic() - before) * 1000)
            size = max(size, len(page))
        p50, p95 = percentiles(taken)
        lines.append(f"  {path:<42}{p50:>8.1f}{p95:>8.1f} ms {size / 1024:>7.1f} KiB")
        slowest, largest = max(slowest, (p95, path)), max(largest, (size / 1024, path))
    yield Result(
        f"pages-{engine}", f"Page of the dashboard at a million events, slowest p95, {store.name}", slowest[0], 50, 20, "ms",
        is_lower_better=True, lines=lines, notes=[f"{events:,} events; slowest: {slowest[1]}; over HTTP, not compressed"])
    yield Result(
        f"pages-{engine}", f"Page of the dashboard, largest, {store.name}", largest[0], 100, 100, "KiB", is_lower_better=True,
        notes=[f"{largest[1]}; without CSS and JavaScript, which browsers keep"])


def timed(act):
    before = time.monotonic()
    act()
    return (time.monotonic() - before) * 1000


def percentiles(taken):
    taken = sorted(taken)
    return statistics.median(taken), taken[int(len(taken) * 0.95)]


def moment(microseconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(microseconds / 1_000_000))
