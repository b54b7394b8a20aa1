// The values of one delivery's five rows, as the server would write them for a Stripe event of 2 KB.
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "../tools.h"

#define LANES 64
#define HASH_BYTES 16

struct delivery {
    char delivery_id[ID_MAX], event_id[ID_MAX], job_id[ID_MAX], lane[64];
    char headers[512];
    int headers_length;
    int64_t received_at;
    int64_t checksum;
    int64_t day;
    unsigned char hash[HASH_BYTES];
    struct event event;
};

static uint64_t rows_seed, rows_made;
static char rows_app[ID_MAX];

// Identity and checksum are random: what is measured is how they are stored.
UNUSED static void make_delivery(struct delivery *d) {
    if (rows_seed == 0) {
        rows_seed = random_number();
        make_id(rows_app, "app");
    }
    make_id(d->delivery_id, "dlv");
    make_id(d->event_id, "evt");
    make_id(d->job_id, "job");
    d->received_at = wall_microseconds();
    make_event(&d->event, rows_seed, rows_made++, d->received_at / 1000000, "payment_intent.succeeded");
    d->checksum = (int64_t)random_number();
    d->day = d->event.created / 86400;
    uint64_t hash[2] = {random_number(), random_number()};
    memcpy(d->hash, hash, HASH_BYTES);
    snprintf(d->lane, sizeof d->lane, "2/%s/%d", rows_app, (int)(random_number() % LANES));
    d->headers_length = snprintf(
        d->headers, sizeof d->headers,
        "host: 127.0.0.1\ncontent-type: application/json; charset=utf-8\ncontent-length: 2048\n"
        "user-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\naccept: */*\n"
        "stripe-signature: t=%lld,v1=%016llx%016llx%016llx%016llx\n",
        (long long)d->event.created, (unsigned long long)hash[0], (unsigned long long)hash[1],
        (unsigned long long)random_number(), (unsigned long long)random_number());
}

// Deliveries come to a reference either as fast as it takes them, or at fixed moments (an open loop).
struct arrivals {
    double rate, start, end;
    long done, limit;
};

// Waits until deliveries are due, and says how many of them, at most `most`; 0 when it is over.
UNUSED static int next_arrivals(struct arrivals *a, int most) {
    double now = seconds_now();
    if (a->limit > 0 && a->limit - a->done < most) most = (int)(a->limit - a->done);
    if (a->rate <= 0) {
        if (most <= 0 || (a->limit == 0 && now >= a->end)) return 0;
        a->done += most;
        return most;
    }
    double due = a->start + (double)a->done / a->rate;
    if (due >= a->end || most <= 0) return 0;
    if (due > now) {
        sleep_until(due);
        now = seconds_now();
    }
    int ready = 0;
    while (ready < most && a->start + (double)(a->done + ready) / a->rate <= now
           && a->start + (double)(a->done + ready) / a->rate < a->end)
        ready++;
    a->done += ready > 0 ? ready : 1;
    return ready > 0 ? ready : 1;
}

// When the number-th delivery was due.
UNUSED static double due_at(const struct arrivals *a, long number) { return a->start + (double)number / a->rate; }

#endif
