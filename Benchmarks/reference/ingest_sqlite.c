// ingest_sqlite FILE [--seconds 5] [--rate R] [--batch 16] [--count N] [--jobs yes|no]
//
// The reference for durable ingest on SQLite: one thread writes the rows of a delivery (identity, body, event,
// delivery, job) into a file that `patchbay migrate` made, 16 deliveries a commit, synchronous=FULL. No HTTP, no
// signatures, no code of the server. Written once and not tuned afterwards.
//
// With --rate deliveries come at fixed moments, and a latency counts from when one was due until its commit.
// Prints one line of JSON.
#include "rows.h"
#include <sqlite3.h>

static sqlite3 *db;
static int wal_pages_last;
static long long wal_pages;

static void run(const char *sql) {
    char *problem = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &problem) != SQLITE_OK) stop("%s: %s", sql, problem);
}

static long long number_of(const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) stop("%s: %s", sql, sqlite3_errmsg(db));
    long long number = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    return number;
}

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) stop("%s: %s", sql, sqlite3_errmsg(db));
    return s;
}

static void step(sqlite3_stmt *s) {
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {}
    if (code != SQLITE_DONE) stop("%s: %s", sqlite3_sql(s), sqlite3_errmsg(db));
    sqlite3_reset(s);
}

static void text(sqlite3_stmt *s, int at, const char *value) { sqlite3_bind_text(s, at, value, -1, SQLITE_STATIC); }
static void blob(sqlite3_stmt *s, int at, const void *value, int length) { sqlite3_bind_blob(s, at, value, length, SQLITE_STATIC); }
static void integer(sqlite3_stmt *s, int at, int64_t value) { sqlite3_bind_int64(s, at, value); }

// Counts the pages of the log, and checkpoints like sqlite3_wal_autocheckpoint(1000), whose hook this replaces.
static int committed(void *nothing, sqlite3 *database, const char *name, int pages) {
    (void)nothing;
    wal_pages += pages >= wal_pages_last ? pages - wal_pages_last : pages;
    wal_pages_last = pages;
    if (pages >= 1000) sqlite3_wal_checkpoint_v2(database, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

int main(int count, char **arguments) {
    if (count < 2) stop("usage: ingest_sqlite FILE [--seconds 5] [--rate R] [--batch 16] [--count N] [--jobs yes|no]");
    double seconds = option_number(count, arguments, "--seconds", 5);
    int batch = (int)option_number(count, arguments, "--batch", 16);
    int with_jobs = strcmp(option(count, arguments, "--jobs", "yes"), "no") != 0;
    if (sqlite3_open_v2(arguments[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        stop("%s: %s", arguments[1], sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 5000);
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;"
        "PRAGMA secure_delete = FAST; PRAGMA cache_size = -16384");
    sqlite3_wal_hook(db, committed, NULL);

    sqlite3_stmt *identity = prepare(
        "INSERT INTO event_identities (scope, day, hash, event_id) VALUES (?,?,?,?) ON CONFLICT DO NOTHING RETURNING event_id");
    sqlite3_stmt *body = prepare("INSERT INTO bodies (id, bytes, encoding, checksum) VALUES (?,?,'raw',?)");
    sqlite3_stmt *event = prepare(
        "INSERT INTO events (id, provider, app_id, delivery_id, provider_event_id, type, account, subject, occurred_at,"
        " received_at, body_id, body_offset, body_length, state, state_at)"
        " VALUES (?,'stripe',?,?,?,'payment_intent.succeeded',NULL,?,?,?,?,0,?,?,?)");
    sqlite3_stmt *delivery = prepare(
        "INSERT INTO deliveries (id, provider, app_id, received_at, verdict, reason, flags, method, target, headers, remote,"
        " size, body_id, event_id) VALUES (?,'stripe',?,?,'accepted',NULL,'test','POST',?,?,'127.0.0.1',?,?,?)");
    sqlite3_stmt *job = prepare(
        "INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key, created_at)"
        " VALUES (?,'event.apply',1,?,'event','available',?,?,?,?,NULL,?) ON CONFLICT DO NOTHING RETURNING id");
    sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");

    struct delivery *d = malloc(sizeof *d);
    struct latencies latencies = {0};
    struct arrivals arrivals = {.rate = option_number(count, arguments, "--rate", 0),
                                .limit = (long)option_number(count, arguments, "--count", 0)};
    arrivals.start = seconds_now();
    arrivals.end = arrivals.start + seconds;
    long deliveries = 0, commits = 0;
    int ready;
    while ((ready = next_arrivals(&arrivals, batch)) > 0) {
        step(begin);
        for (int i = 0; i < ready; i++) {
            make_delivery(d);
            text(identity, 1, rows_app), integer(identity, 2, d->day), blob(identity, 3, d->hash, HASH_BYTES), text(identity, 4, d->event_id);
            step(identity);
            text(body, 1, d->delivery_id), blob(body, 2, d->event.body, EVENT_BYTES), integer(body, 3, d->checksum);
            step(body);
            text(event, 1, d->event_id), text(event, 2, rows_app), text(event, 3, d->delivery_id), text(event, 4, d->event.id);
            text(event, 5, d->event.customer), integer(event, 6, d->event.created * 1000000), integer(event, 7, d->received_at);
            text(event, 8, d->delivery_id), integer(event, 9, EVENT_BYTES), text(event, 10, with_jobs ? "queued" : "applied");
            integer(event, 11, d->received_at);
            step(event);
            text(delivery, 1, d->delivery_id), text(delivery, 2, rows_app), integer(delivery, 3, d->received_at);
            blob(delivery, 4, "/webhooks/stripe", 16), blob(delivery, 5, d->headers, d->headers_length);
            integer(delivery, 6, EVENT_BYTES), text(delivery, 7, d->delivery_id), text(delivery, 8, d->event_id);
            step(delivery);
            if (!with_jobs) continue;
            text(job, 1, d->job_id), text(job, 2, d->lane), integer(job, 3, d->received_at), integer(job, 4, d->received_at);
            blob(job, 5, d->event_id, (int)strlen(d->event_id)), text(job, 6, d->event_id), integer(job, 7, d->received_at);
            step(job);
        }
        step(commit);
        double now = seconds_now();
        for (int i = 0; i < ready && arrivals.rate > 0; i++) note_latency(&latencies, now - due_at(&arrivals, deliveries + i));
        deliveries += ready;
        commits++;
    }
    double took = seconds_now() - arrivals.start;
    long long page = number_of("PRAGMA page_size");
    printf("{\"deliveries\":%ld,\"seconds\":%.3f,\"per_second\":%.1f,\"commits\":%ld,\"synchronous\":%lld,\"page_size\":%lld,"
           "\"wal_bytes\":%lld,", deliveries, took, (double)deliveries / took, commits, number_of("PRAGMA synchronous"), page,
           wal_pages * (page + 24));
    print_latencies(&latencies);
    printf("}\n");
    return 0;
}
