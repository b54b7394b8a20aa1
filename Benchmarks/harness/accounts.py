"""Bars about accounts: first and later syncs, uploads, and a day at the limits. The platform is our simulated one."""

import json
import signal
import statistics
import time

from . import machine
from .ingest import GATEWAY, WHOLE
from .results import Result
from .servers import API, patchbay, sandbox, settings
from .slices import in_turn, say, until

UNLIMITED = [*GATEWAY, "--without-quotas"]  # as `serve`; the simulated platform takes all that is asked
VIDEOS = {0: 100, 1: 20, 2: 40, 3: 0, 4: 1, 5: 19, 6: 21, 7: 250, 8: 349, 9: 200}  # by an account's last digit
ALL = sum(VIDEOS.values()) // 10  # a account, on average
PUBLIC = {"PATCHBAY_PUBLIC_URL": "http://127.0.0.1:8484"}
CHUNK = 10_000_000
MOST = 4_000_000_000


def taken_in(run, store, platform, accounts):
    """Connects accounts while nothing runs."""
    lines = [platform.consent(number) for number in accounts]
    with patchbay(run.binary, GATEWAY, store, more=platform.settings | PUBLIC) as server:
        api = API(run.binary, store, server)
        for start in range(0, len(lines), 100):
            results = api.call("POST", "/v1/connections/import", {"connections": lines[start:start + 100]})["results"]
            wrong = next((one for one in results if one["outcome"] != "created"), None)
            if wrong:
                raise machine.Failed(f"a connection was not taken in: {wrong}")
    return lines


def initial(run, engine):
    """First sync of 100,000 rows from the simulated platform against dlt, same pages, same PostgreSQL, both durable."""
    machine.prepare_peers()
    accounts, made = range(run.scaled(1000, least=20)), []
    with sandbox(run.binary, run.folder) as platform:
        def slice_of_ours():
            store = run.store(engine, f"initial-{len(made)}")
            made.append(store)
            taken_in(run, store, platform, accounts)
            began = time.monotonic()
            with patchbay(run.binary, UNLIMITED, store, more=platform.settings | PUBLIC):
                if not until(lambda: store.count("syncs", "stream = 'videos' AND state = 'succeeded'") == len(accounts),
                             within=900, every=0.1):
                    raise machine.Failed("a quarter of an hour after the start not all accounts are read")
                took = time.monotonic() - began
            rows = store.count("tiktok_videos")
            say(f"         ours         {rows:,} rows in {took:.1f} s")
            run.done(store)
            return rows / took

        def slice_of_theirs():
            store = run.store("postgres", f"initial-dlt-{len(made)}", migrated=False)
            file = run.folder / "accounts.jsonl"
            file.write_text("".join(json.dumps(platform.consent(number)) + "\n" for number in accounts))
            text = machine.output(machine.VENV / "bin/python", machine.BENCHMARKS / "dlt/sync.py", store.url, file,
                                  platform.told["base_url"])
            result = json.loads(text.splitlines()[-1])
            say(f"         dlt          {result['rows']:,} rows in {result['seconds']:.1f} s")
            run.done(store)
            return result["rows"] / result["seconds"]

        pairs = in_turn(slice_of_ours, slice_of_theirs, run.long_slices, run.folder, ("ours", "dlt"))
    yield Result(
        f"initial-{engine}", f"First sync of {len(accounts) * ALL:,} rows, PostgreSQL ÷ dlt", pairs.ratio, 5, 10,
        notes=[f"ours {pairs.median(0) or 0:,.0f} rows/s from the start of the process on, dlt {pairs.median(1) or 0:,.0f} rows/s "
               f"without its own start (medians); {len(accounts):,} accounts, pages of 20"],
        lines=pairs.lines, fault=pairs.fault)


def incremental(run, engine):
    """A sync that finds no news: our own time a stream, without the platform's."""
    store, number = run.store(engine, "incremental"), 41
    with sandbox(run.binary, run.folder) as platform:
        taken_in(run, store, platform, [number])
        with patchbay(run.binary, UNLIMITED, store, more=platform.settings | PUBLIC) as server:
            api, count = API(run.binary, store, server), run.scaled(200, least=20)
            if not until(lambda: store.count("syncs", "state = 'succeeded'") >= 2, within=60):
                raise machine.Failed("the first sync has not ended within a minute")
            connection = api.call("GET", "/v1/connections")["data"][0]["id"]
            runs = []
            for _ in range(count):
                found = api.call("POST", f"/v1/connections/{connection}/syncs", {"stream": "videos"}, Prefer="wait=10")
                runs.append(found["data"][0]["id"])
                if not until(lambda: store.count("syncs", "state IN ('waiting', 'running')") == 0, within=30, every=0.005):
                    raise machine.Failed("a sync has not ended within 30 s")
            until(lambda: store.count("calls", f"subject = '{runs[-1]}'") > 0, within=10)
            news = store.count("syncs", "reason = 'manual' AND (rows_new > 0 OR state <> 'succeeded')")
            own, calls = [], 0
            for each in runs:
                whole = float(store.value(f"SELECT ended_at - created_at FROM syncs WHERE id = '{each}'"))
                there = float(store.value(f"SELECT coalesce(sum(latency), 0) FROM calls WHERE subject = '{each}'"))
                calls += store.count("calls", f"subject = '{each}'")
                own.append((whole - there) / 1000)
    own.sort()
    yield Result(
        f"incremental-{engine}", f"A sync without news, our own time a stream, {store.name}", statistics.median(own), 5, 1, "ms",
        is_lower_better=True,
        notes=[f"{count} runs of {calls / count:.1f} calls, one after another, from asked to ended; p90 "
               f"{own[int(count * 0.9)]:.2f}, most {own[-1]:.2f} ms; load {machine.load_average():.2f}"],
        fault="" if news == 0 else f"{news} runs found news or failed")
    run.done(store)


def film(path, size, number):
    """A film that says that it is one: 21 seconds, its pictures noughts."""
    def box(kind, content):
        return (len(content) + 8).to_bytes(4, "big") + kind + content

    head = box(b"ftyp", b"isom" + (512).to_bytes(4, "big")) + box(b"moov", box(
        b"mvhd", bytes(12) + (1000).to_bytes(4, "big") + (21_000).to_bytes(4, "big") + bytes(80)))
    with open(path, "wb") as file:
        file.write(head + (size - len(head)).to_bytes(4, "big") + b"mdat" + number.to_bytes(8, "big"))
        file.truncate(size)


def upload(run, engine):
    """A film of 4 GB in and out again: memory, commits, and chunks that are sent twice after a kill."""
    store, size = run.store(engine, "upload"), run.scaled(MOST, least=60 * CHUNK)
    file = run.folder / "film.mp4"
    with sandbox(run.binary, run.folder) as platform:
        taken_in(run, store, platform, [3])
        more = platform.settings | PUBLIC | {"DISK_STORAGE_PATH": str(run.folder / "objects")}
        with patchbay(run.binary, UNLIMITED, store, more=more) as server:
            api = API(run.binary, store, server)
            connection = api.call("GET", "/v1/connections")["data"][0]["id"]
            # A short one first: what an upload costs whatever its length is, and warm parts.
            short = counted(store, platform, api, connection, made(api, file, 15 * CHUNK, 1))
            with store.writes() as writes:
                time.sleep(5)
            quiet = writes.commits / 5
            before = server.memory()[0]
            with open(f"/proc/{server.pid}/clear_refs", "w") as peak:
                peak.write("5")  # the peak is taken from now on
            object_id = made(api, file, size, 2)
            kept = server.memory()[1] - before
            chunks, commits, took = counted(store, platform, api, connection, object_id)
            added = server.memory()[1] - before
        platform.tell("PUT", "/faults", [{"platform": "tiktok", "path": "/video/", "latency_ms": 200}])
        twice = platform.effects("chunk.received_again")
        with patchbay(run.binary, UNLIMITED, store, more=more) as server:
            api = API(run.binary, store, server)
            there = platform.effects("chunk.received")
            publication = begun(api, connection, made(api, file, 15 * CHUNK, 3))
            if not until(lambda: platform.effects("chunk.received") >= there + 4, within=60):
                raise machine.Failed("four chunks have not come within a minute")
            server.stop(signal.SIGKILL)
        platform.tell("PUT", "/faults", [])
        with patchbay(run.binary, UNLIMITED, store, more=more) as server:
            ended(API(run.binary, store, server), publication)
        twice = platform.effects("chunk.received_again") - twice
    file.unlink()
    note = (f"{size / 1e6:,.0f} MB in {chunks} chunks, sent in {took:.1f} s; {added:.1f} MiB more at the peak ({kept:.1f} while "
            f"the file came in); {commits:,} commits, of {short[0]} chunks {short[1]}; {quiet:.1f} a second without any")
    more_chunks, own = chunks - short[0], commits - short[1] - quiet * (took - short[2])
    for what, got, least, aim, unit in (
            ("Memory added by an upload of 4 GB", added, 64, 16, "MiB"),
            ("Commits for eight chunks of an upload", max(0.0, own / max(1, more_chunks) * 8), 1, 1, ""),
            ("Chunks sent twice after a SIGKILL within an upload", float(twice), 1, 0, "")):
        yield Result(f"upload-{engine}", f"{what}, {store.name}", got, least, aim, unit, is_lower_better=True,
                     notes=[note] if note else [])
        note = ""
    run.done(store)


def made(api, file, size, number):
    film(file, size, number)
    return api.keep(file)


def counted(store, platform, api, connection, object_id):
    """Publishes it; chunks, commits, seconds."""
    chunks, began = platform.effects("chunk.received"), time.monotonic()
    with store.writes() as writes:
        ended(api, begun(api, connection, object_id))
        took = time.monotonic() - began
    return platform.effects("chunk.received") - chunks, writes.commits, took


def begun(api, connection, object_id):
    return api.call("POST", "/v1/publications", {
        "targets": [{"connection_id": connection, "options": {"privacy_level": "PUBLIC_TO_EVERYONE"}}],
        "content": {"text": "Rye is back"}, "media": [{"object_id": object_id}]})["id"]


def ended(api, publication):
    """Waits until the platform has all of it."""
    def is_there():
        state = api.call("GET", f"/v1/publications/{publication}")["state"]
        if state in ("failed", "unknown", "cancelled"):
            raise machine.Failed(f"the publication is {state}: {api.call('GET', f'/v1/publications/{publication}')}")
        return state in ("processing", "published")

    if not until(is_there, within=900, every=0.05):
        raise machine.Failed("the publication has not ended within a quarter of an hour")


def day(run, engine):
    """A simulated day of 1,000 accounts at their limits: refusals, and the share of the budget that is used."""
    line = machine.output(run.binary, "bench", "day", "--accounts", run.scaled(1000, least=10), env=settings(run.binary))
    result = json.loads(line.splitlines()[-1])
    note = (f"{result['sent']:,} calls, decided at {result['per_second']:,} a second, the simulation included; answers after 20 ms "
            "to 3 s, out of order; two windows. Restarts: SimulatedDayTests")
    yield Result("day", "A simulated day of 1,000 accounts, refusals", float(result["refused"]), 0, 0, is_lower_better=True,
                 notes=[note])
    yield Result("day", "A simulated day of 1,000 accounts, share of the budget used", result["use_permille"] / 10, 93, 97, "%")
