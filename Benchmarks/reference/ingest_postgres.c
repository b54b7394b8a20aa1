// ingest_postgres URL [--seconds 5] [--rate R] [--count N] [--jobs yes|no]
//
// The reference for durable ingest on PostgreSQL: one thread, one connection, writes the rows of a delivery
// (identity, body, event, delivery, job) into a database that `patchbay migrate` made, 16 deliveries a commit, each
// table's rows of a commit in one prepared INSERT. No HTTP, no signatures, no code of the server. Written once and
// not tuned afterwards.
//
// With --rate deliveries come at fixed moments, and a latency counts from when one was due until its commit.
// Prints one line of JSON.
#include "rows.h"
#include "postgres.h"

#define BATCH 16

static const char *tables[] = {"identity", "body", "event", "delivery", "job"};

// A statement for each size from 1 to BATCH, since at a rate a commit may carry fewer.
static void prepare_all(void) {
    char name[32];
    for (int rows = 1; rows <= BATCH; rows++) {
        snprintf(name, sizeof name, "identity%d", rows);
        prepare_rows(name, "INSERT INTO event_identities (scope, day, hash, event_id) VALUES", 4, rows,
                     "ON CONFLICT DO NOTHING RETURNING event_id");
        snprintf(name, sizeof name, "body%d", rows);
        prepare_rows(name, "INSERT INTO bodies (id, bytes, encoding, checksum) VALUES", 4, rows, "");
        snprintf(name, sizeof name, "event%d", rows);
        prepare_rows(name,
                     "INSERT INTO events (id, provider, app_id, delivery_id, provider_event_id, type, account, subject,"
                     " occurred_at, received_at, body_id, body_offset, body_length, state, state_at) VALUES", 15, rows, "");
        snprintf(name, sizeof name, "delivery%d", rows);
        prepare_rows(name,
                     "INSERT INTO deliveries (id, provider, app_id, received_at, verdict, reason, flags, method, target,"
                     " headers, remote, size, body_id, event_id) VALUES", 14, rows, "");
        snprintf(name, sizeof name, "job%d", rows);
        prepare_rows(name,
                     "INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key,"
                     " created_at) VALUES", 12, rows, "ON CONFLICT DO NOTHING RETURNING id");
    }
}

static void add(struct values v[5], const struct delivery *d, int with_jobs) {
    text(&v[0], rows_app), integer(&v[0], d->day), blob(&v[0], d->hash, HASH_BYTES), text(&v[0], d->event_id);
    text(&v[1], d->delivery_id), blob(&v[1], d->event.body, EVENT_BYTES), text(&v[1], "raw"), integer(&v[1], d->checksum);
    text(&v[2], d->event_id), text(&v[2], "stripe"), text(&v[2], rows_app), text(&v[2], d->delivery_id), text(&v[2], d->event.id);
    text(&v[2], "payment_intent.succeeded"), text(&v[2], NULL), text(&v[2], d->event.customer);
    integer(&v[2], d->event.created * 1000000), integer(&v[2], d->received_at), text(&v[2], d->delivery_id), integer(&v[2], 0);
    integer(&v[2], EVENT_BYTES), text(&v[2], with_jobs ? "queued" : "applied"), integer(&v[2], d->received_at);
    text(&v[3], d->delivery_id), text(&v[3], "stripe"), text(&v[3], rows_app), integer(&v[3], d->received_at), text(&v[3], "accepted");
    text(&v[3], NULL), text(&v[3], "test"), text(&v[3], "POST"), blob(&v[3], "/webhooks/stripe", 16);
    blob(&v[3], d->headers, d->headers_length), text(&v[3], "127.0.0.1"), integer(&v[3], EVENT_BYTES), text(&v[3], d->delivery_id);
    text(&v[3], d->event_id);
    text(&v[4], d->job_id), text(&v[4], "event.apply"), integer(&v[4], 1), text(&v[4], d->lane), text(&v[4], "event");
    text(&v[4], "available"), integer(&v[4], d->received_at), integer(&v[4], d->received_at);
    blob(&v[4], d->event_id, (int)strlen(d->event_id)), text(&v[4], d->event_id), text(&v[4], NULL), integer(&v[4], d->received_at);
}

int main(int count, char **arguments) {
    if (count < 2) stop("usage: ingest_postgres URL [--seconds 5] [--rate R] [--count N] [--jobs yes|no]");
    double seconds = option_number(count, arguments, "--seconds", 5);
    int with_jobs = strcmp(option(count, arguments, "--jobs", "yes"), "no") != 0;
    connect_to(arguments[1]);
    prepare_all();
    char log_begin[64];
    snprintf(log_begin, sizeof log_begin, "%s", value_of("SELECT pg_current_wal_insert_lsn()"));

    struct delivery *d = malloc(BATCH * sizeof *d);
    struct values *v = calloc(5, sizeof *v);
    struct latencies latencies = {0};
    struct arrivals arrivals = {.rate = option_number(count, arguments, "--rate", 0),
                                .limit = (long)option_number(count, arguments, "--count", 0)};
    arrivals.start = seconds_now();
    arrivals.end = arrivals.start + seconds;
    long deliveries = 0, commits = 0;
    int ready;
    while ((ready = next_arrivals(&arrivals, BATCH)) > 0) {
        for (int i = 0; i < ready; i++) {
            make_delivery(&d[i]);
            add(v, &d[i], with_jobs);
        }
        run("BEGIN");
        for (int table = 0; table < (with_jobs ? 5 : 4); table++) {
            char name[32];
            snprintf(name, sizeof name, "%s%d", tables[table], ready);
            PQclear(execute(name, &v[table]));
        }
        v[4].count = 0;
        run("COMMIT");
        double now = seconds_now();
        for (int i = 0; i < ready && arrivals.rate > 0; i++) note_latency(&latencies, now - due_at(&arrivals, deliveries + i));
        deliveries += ready;
        commits++;
    }
    double took = seconds_now() - arrivals.start;
    char ask[160];
    snprintf(ask, sizeof ask, "SELECT pg_current_wal_insert_lsn() - '%s'::pg_lsn", log_begin);
    printf("{\"deliveries\":%ld,\"seconds\":%.3f,\"per_second\":%.1f,\"commits\":%ld,\"fsync\":\"%s\",\"synchronous_commit\":\"%s\","
           "\"wal_bytes\":%s,", deliveries, took, (double)deliveries / took, commits, value_of("SHOW fsync"),
           value_of("SHOW synchronous_commit"), value_of(ask));
    print_latencies(&latencies);
    printf("}\n");
    PQfinish(db);
    return 0;
}
