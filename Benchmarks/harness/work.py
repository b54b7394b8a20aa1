"""Bars about jobs and webhooks out."""

import json
import re
import time

from . import machine
from .results import Result
from .servers import bench
from .servers import outward as outward_sender
from .servers import settings
from .servers import sink as sink_process
from .slices import in_turn, until

CONNECTIONS = 64
ENDPOINTS = 4  # 16 requests under way each
OUT_OF_BREATH = 3000  # more events a second than any slice needs


def jobs(run, engine):
    """Bar 5: jobs that do nothing, against bare SQL."""
    ours, theirs = run.store(engine, "jobs-ours"), run.store(engine, "jobs-reference")
    done = []

    def slice_of_ours():
        result = bench(run.binary, ours, "jobs", "--seconds", int(run.seconds))
        done.append(result["jobs"])
        return result["per_second"]

    def slice_of_theirs():
        return machine.measured(f"jobs_{theirs.word}", theirs.reference, "--seconds", run.seconds)["per_second"]

    pairs = in_turn(slice_of_ours, slice_of_theirs, run.slices, run.folder)
    note, fault = counted(sum(done), ours)
    yield Result(
        f"jobs-{engine}", f"Jobs that do nothing, {ours.name} ÷ reference", pairs.ratio, 0.3, 0.6,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s, reference {pairs.median(1) or 0:,.0f}/s (medians)", note],
        lines=pairs.lines, fault=fault or pairs.fault)
    run.done(ours, theirs)


def counted(ended, store):
    left, kept = store.count("jobs", "kind = 'bench.noop'"), store.count("jobs_done", "kind = 'bench.noop'")
    note = f"{ended:,} jobs ended, {kept:,} recorded, {left:,} left"
    return note, "" if ended == kept and left == 0 else "not every job's end is recorded"


def pgqueuer(run, engine):
    """Bar 5: the same against pgqueuer on the same PostgreSQL."""
    machine.prepare_peers()
    ours, theirs = run.store("postgres", "queue-ours"), run.store("postgres", "queue-theirs", migrated=False)
    done = []

    def slice_of_ours():
        result = bench(run.binary, ours, "jobs", "--seconds", int(run.seconds))
        done.append(result["jobs"])
        return result["per_second"]

    def slice_of_theirs():
        python, script = machine.VENV / "bin/python", machine.BENCHMARKS / "pgqueuer/jobs.py"
        return json.loads(machine.output(python, script, theirs.url, "--seconds", run.seconds))["per_second"]

    pairs = in_turn(slice_of_ours, slice_of_theirs, run.slices, run.folder, ("ours", "pgqueuer"))
    note, fault = counted(sum(done), ours)
    yield Result(
        "pgqueuer", "Jobs that do nothing, PostgreSQL ÷ pgqueuer", pairs.ratio, 1.5, 3,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s, pgqueuer {pairs.median(1) or 0:,.0f}/s (medians)", note],
        lines=pairs.lines, fault=fault or pairs.fault)
    run.done(ours, theirs)


def start(run, engine):
    """Bar 6: from the answer of an enqueue to the handler's first line, while idle."""
    store = run.store(engine, "start")
    syncs, load = machine.syncs(run.folder), machine.load_average()
    delay = bench(run.binary, store, "start", "--count", run.scaled(500, least=50))["start_delay"]
    yield Result(
        f"start-{engine}", f"Enqueued to started, idle, p99, {store.name}", delay["p99_us"] / 1000, 10, 2, "ms",
        is_lower_better=True, notes=[spread(delay, syncs, load)])
    run.done(store)


def fairness(run, engine):
    """Bar 7: one job behind another user's hundred thousand."""
    store = run.store(engine, "fairness")
    syncs, load = machine.syncs(run.folder), machine.load_average()
    result = bench(run.binary, store, "fairness", "--jobs", run.scaled(100_000, least=20_000), "--count", 50)
    delay, waiting = result["start_delay"], result["waiting_still"]
    if delay["count"] == 0:
        raise machine.Failed("the other user's jobs were done before anything was measured")
    yield Result(
        f"fairness-{engine}", f"One job behind another user's 100,000 starts within, {store.name}",
        delay["max_us"] / 1000, 250, 50, "ms", is_lower_better=True,
        notes=[spread(delay, syncs, load), f"the other's jobs take 5 ms each; {waiting:,} of them still waited at the end"],
        fault="" if delay["count"] == 50 else f"the other's jobs were done after {delay['count']} of 50 measurements")
    run.done(store)


def quotas(run, engine):
    """Bar: decisions of the limiter, 10,000 keys with four windows each, two tasks."""
    line = machine.output(run.binary, "bench", "quotas", "--seconds", int(run.seconds), env=settings(run.binary))
    result = json.loads(line.splitlines()[-1])
    yield Result(
        "quotas", "Quota decisions a second, 10,000 keys with four windows", result["per_second"] / 1e6, 0.5, 2, "M/s",
        notes=[f"{result['bytes_a_key']:,} bytes a key; load {machine.load_average():.2f}"],
        fault="" if result["bytes_a_key"] <= 1024 else "a key takes more than 1,024 bytes")


def senders(run, engine):
    """Bar: limits for 100,000 senders of forgeries in at most 32 MiB, the oldest forgotten; twice as many come."""
    line = machine.output(run.binary, "bench", "senders", env=settings(run.binary))
    result = json.loads(line.splitlines()[-1])
    yield Result(
        "senders", "Memory of 100,000 senders of forgeries", result["bytes"] / 2**20, 32, 16, "MiB", is_lower_better=True,
        notes=[f"{result['per_second']:,} judged a second; load {machine.load_average():.2f}"],
        fault="" if result["remembered"] == 100_000 else f"{result['remembered']} are remembered")


def spread(delay, syncs, load):
    return (f"{delay['count']} jobs: p50 {delay['p50_us'] / 1000:.2f}, p90 {delay['p90_us'] / 1000:.2f}, "
            f"p99 {delay['p99_us'] / 1000:.2f}, most {delay['max_us'] / 1000:.2f} ms; load {load:.2f}, "
            f"{syncs:,.0f} fdatasync/s")


def outward(run, engine):
    """Bar 8: signed deliveries to a sink that counts and checks each, against wrk into the same sink."""
    body, faults, totals = [2400], [], []

    def slice_of_ours():
        store = run.store(engine, f"outward-{len(totals)}")
        with sink_process(store.folder) as sink:
            events = run.events_out or int(OUT_OF_BREATH * (run.seconds + 2) / ENDPOINTS)
            with outward_sender(run.binary, store, sink, events) as sender:
                sender.begin()
                if not until(lambda: sink.stats()["requests"] > 0, within=30, every=0.01):
                    raise machine.Failed("nothing came to the sink within 30 s")
                time.sleep(1)  # all endpoints have their connections
                first = sink.stats()
                until(lambda: sink.stats()["now"] - first["now"] >= run.seconds or over(sink.stats(), events),
                      within=run.seconds + 10)
                last = sink.stats()
            stats = sink.stats()
        recorded = store.count("attempts", "outcome = 'delivered'")
        totals.append((stats["requests"], stats["proven"], recorded))
        body[0] = stats["body_bytes"] // stats["requests"]
        if stats["refused"] or stats["proven"] != stats["requests"]:
            faults.append(f"{stats['refused']} signatures were wrong")
        if recorded != stats["distinct"]:
            faults.append(f"{stats['distinct']} deliveries came, {recorded} are recorded")
        run.done(store)
        if over(last, events):
            run.events_out = events * 2  # they came to an end before the slice did
        return (last["requests"] - first["requests"]) / max(0.001, min(last["now"], last["last_at"]) - first["now"])

    def slice_of_wrk():
        with sink_process(run.folder) as sink:
            script = run.folder / "post.lua"
            script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {body[0]})\n'
                              'wrk.headers["Content-Type"] = "application/json"\n')
            text = machine.output("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{int(run.seconds)}s", "-s", script,
                                  f"http://127.0.0.1:{sink.port}/0")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])

    pairs = in_turn(slice_of_ours, slice_of_wrk, run.slices, run.folder, ("ours", "wrk"))
    came, proven, recorded = (sum(column) for column in zip(*totals))
    yield Result(
        f"outward-{engine}", f"Signed deliveries out, {engine_name(engine)} ÷ wrk into the same sink", pairs.ratio, 0.15, 0.4,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s to {ENDPOINTS} endpoints, wrk {pairs.median(1) or 0:,.0f}/s (medians), "
               f"{body[0]:,} bytes each", f"{came:,} came, {proven:,} proven, {recorded:,} recorded as delivered"],
        lines=pairs.lines, fault="; ".join(sorted(set(faults))) or pairs.fault)


def over(stats, events):
    return stats["requests"] >= events * ENDPOINTS


def engine_name(engine):
    return "SQLite" if engine == "sqlite" else "PostgreSQL"
