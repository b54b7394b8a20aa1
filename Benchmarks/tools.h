// What the small C programs of the benchmarks share: clocks, ids, Stripe-like events, SHA-256, percentiles.
// Nothing in it comes from Patchbay's sources.
#ifndef BENCH_TOOLS_H
#define BENCH_TOOLS_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define UNUSED __attribute__((unused))

UNUSED static void stop(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

// MARK: Time and chance

UNUSED static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

UNUSED static int64_t wall_microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

UNUSED static void sleep_until(double moment) {
    struct timespec t = {(time_t)moment, (long)((moment - (double)(time_t)moment) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static uint64_t random_state;

// splitmix64: the same seed makes the same numbers.
UNUSED static uint64_t mixed(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}
UNUSED static uint64_t random_number(void) {
    if (random_state == 0) random_state = (uint64_t)wall_microseconds() * 1000003u ^ (uint64_t)getpid() << 40;
    random_state += 0x9E3779B97F4A7C15u;
    return mixed(random_state);
}

// MARK: Ids: a prefix and 26 characters of Crockford's base32 of a UUIDv7, as the server's are

#define ID_MAX 40

UNUSED static void make_id(char out[ID_MAX], const char *prefix) {
    static uint64_t last, counter;
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t milliseconds = (uint64_t)wall_microseconds() / 1000;
    if (milliseconds > last) {
        last = milliseconds;
        counter = random_number() & 0x7FF;
    } else if (++counter > 0xFFF) {
        last++;
        counter = 0;
    }
    uint64_t high = last << 16 | 0x7000 | counter, low = random_number() >> 2 | 0x8000000000000000u;
    size_t length = strlen(prefix);
    memcpy(out, prefix, length);
    out[length] = '_';
    for (int i = 25; i >= 0; i--) {
        out[length + 1 + (size_t)i] = alphabet[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
    out[length + 27] = 0;
}

// MARK: Events

#define EVENT_BYTES 2048
#define EVENT_CUSTOMERS 10000

struct event {
    char id[32];        // evt_1…, as the platform writes it
    char customer[24];  // cus_…
    int64_t created;    // seconds
    unsigned char body[EVENT_BYTES + 1];
};

// The number-th event of a run: the same seed and number make the same bytes, two runs none alike.
UNUSED static void make_event(struct event *event, uint64_t seed, uint64_t number, int64_t created, const char *type) {
    uint64_t a = mixed(seed ^ number * 2654435761u), b = mixed(a ^ number);
    snprintf(event->id, sizeof event->id, "evt_1%016llx%07llx", (unsigned long long)a,
             (unsigned long long)(number & 0xFFFFFFF));
    snprintf(event->customer, sizeof event->customer, "cus_Bench%09llu", (unsigned long long)(b % EVENT_CUSTOMERS));
    event->created = created;
    int length = snprintf(
        (char *)event->body, sizeof event->body,
        "{\"id\":\"%s\",\"object\":\"event\",\"api_version\":\"2026-10-28.endive\",\"created\":%lld,\"data\":{\"object\":"
        "{\"id\":\"pi_3%016llx\",\"object\":\"payment_intent\",\"amount\":%llu,\"amount_capturable\":0,"
        "\"amount_details\":{\"tip\":{}},\"amount_received\":%llu,\"application\":null,\"application_fee_amount\":null,"
        "\"automatic_payment_methods\":{\"allow_redirects\":\"always\",\"enabled\":true},\"canceled_at\":null,"
        "\"cancellation_reason\":null,\"capture_method\":\"automatic_async\",\"client_secret\":null,"
        "\"confirmation_method\":\"automatic\",\"created\":%lld,\"currency\":\"eur\",\"customer\":\"%s\","
        "\"description\":\"Order %llu\",\"last_payment_error\":null,\"latest_charge\":\"ch_3%016llx\","
        "\"livemode\":false,\"metadata\":{\"order\":\"%llu\",\"note\":\"",
        event->id, (long long)created, (unsigned long long)b, (unsigned long long)(100 + b % 90000),
        (unsigned long long)(100 + b % 90000), (long long)created, event->customer, (unsigned long long)number,
        (unsigned long long)a, (unsigned long long)number);
    static const char words[] = "Bread, rolls and a loaf of rye; to be fetched in the morning. ";
    char end[640];
    int rest = snprintf(
        end, sizeof end,
        "\"},\"next_action\":null,\"on_behalf_of\":null,\"payment_method\":\"pm_1%016llx\",\"payment_method_options\":"
        "{\"card\":{\"installments\":null,\"mandate_options\":null,\"network\":null,\"request_three_d_secure\":"
        "\"automatic\"}},\"payment_method_types\":[\"card\",\"link\"],\"processing\":null,\"receipt_email\":null,"
        "\"setup_future_usage\":null,\"shipping\":null,\"status\":\"succeeded\",\"transfer_data\":null,"
        "\"transfer_group\":null}},\"livemode\":false,\"pending_webhooks\":1,\"request\":{\"id\":\"req_%014llx\","
        "\"idempotency_key\":null},\"type\":\"%s\"}",
        (unsigned long long)mixed(b), (unsigned long long)(a & 0xFFFFFFFFFFFFFF), type);
    for (int i = 0; length + rest < EVENT_BYTES; i++) event->body[length++] = (unsigned char)words[i % (int)(sizeof words - 1)];
    memcpy(event->body + length, end, (size_t)rest + 1);
}

// MARK: SHA-256 and HMAC

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
};

static const uint32_t sha256_round[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t turned(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha256_blocks_plain(uint32_t s[8], const unsigned char *data, size_t blocks) {
    for (; blocks > 0; blocks--, data += 64) {
        uint32_t w[64], h[8];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 | (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3)
                 + (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
        memcpy(h, s, sizeof h);
        for (int i = 0; i < 64; i++) {
            uint32_t one = h[7] + (turned(h[4], 6) ^ turned(h[4], 11) ^ turned(h[4], 25)) + ((h[4] & h[5]) ^ (~h[4] & h[6]))
                         + sha256_round[i] + w[i];
            uint32_t two = (turned(h[0], 2) ^ turned(h[0], 13) ^ turned(h[0], 22)) + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2]));
            memmove(h + 1, h, 7 * sizeof *h);
            h[4] += one;
            h[0] = one + two;
        }
        for (int i = 0; i < 8; i++) s[i] += h[i];
    }
}

#if defined(__x86_64__)
// The processor's own instructions: the load must not cost what it measures.
__attribute__((target("sha,sse4.1,ssse3")))
static void sha256_blocks_fast(uint32_t s[8], const unsigned char *data, size_t blocks) {
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)s), 0xB1);
    __m128i second = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(s + 4)), 0x1B);
    __m128i first = _mm_alignr_epi8(t, second, 8);
    second = _mm_blend_epi16(second, t, 0xF0);
    for (; blocks > 0; blocks--, data += 64) {
        __m128i w[4], old_first = first, old_second = second;
        for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), order);
        for (int i = 0; i < 16; i++) {
            __m128i m = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)sha256_round + i));
            second = _mm_sha256rnds2_epu32(second, first, m);
            first = _mm_sha256rnds2_epu32(first, second, _mm_shuffle_epi32(m, 0x0E));
            if (i < 12) {
                __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        first = _mm_add_epi32(first, old_first);
        second = _mm_add_epi32(second, old_second);
    }
    t = _mm_shuffle_epi32(first, 0x1B);
    second = _mm_shuffle_epi32(second, 0xB1);
    _mm_storeu_si128((__m128i *)s, _mm_blend_epi16(t, second, 0xF0));
    _mm_storeu_si128((__m128i *)(s + 4), _mm_alignr_epi8(second, t, 8));
}
#endif

static void sha256_blocks(uint32_t s[8], const unsigned char *data, size_t blocks) {
#if defined(__x86_64__)
    static int fast = -1;
    if (fast < 0) {
        unsigned a, b = 0, c, d;
        fast = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    }
    if (fast) {
        sha256_blocks_fast(s, data, blocks);
        return;
    }
#endif
    sha256_blocks_plain(s, data, blocks);
}

UNUSED static void sha256_begin(struct sha256 *hash) {
    static const uint32_t begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, begin, sizeof begin);
    hash->bytes = 0;
}

UNUSED static void sha256_add(struct sha256 *hash, const void *data, size_t length) {
    const unsigned char *bytes = data;
    size_t held = hash->bytes % 64;
    hash->bytes += length;
    if (held > 0) {
        size_t part = length < 64 - held ? length : 64 - held;
        memcpy(hash->block + held, bytes, part);
        bytes += part;
        length -= part;
        if (held + part < 64) return;
        sha256_blocks(hash->state, hash->block, 1);
    }
    sha256_blocks(hash->state, bytes, length / 64);
    memcpy(hash->block, bytes + length / 64 * 64, length % 64);
}

UNUSED static void sha256_end(struct sha256 *hash, unsigned char out[32]) {
    uint64_t bits = hash->bytes * 8;
    unsigned char end[72] = {0x80};
    size_t length = (hash->bytes % 64 < 56 ? 56 : 120) - hash->bytes % 64;
    for (int i = 0; i < 8; i++) end[length + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(hash, end, length + 8);
    for (int i = 0; i < 32; i++) out[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

// A key made ready: both halves of HMAC begun.
struct hmac_key {
    struct sha256 inner, outer;
};

UNUSED static void hmac_prepare(struct hmac_key *key, const void *secret, size_t length) {
    unsigned char block[64] = {0};
    if (length > 64) {
        struct sha256 hash;
        sha256_begin(&hash);
        sha256_add(&hash, secret, length);
        sha256_end(&hash, block);
    } else {
        memcpy(block, secret, length);
    }
    for (int i = 0; i < 64; i++) block[i] ^= 0x36;
    sha256_begin(&key->inner);
    sha256_add(&key->inner, block, 64);
    for (int i = 0; i < 64; i++) block[i] ^= 0x36 ^ 0x5c;
    sha256_begin(&key->outer);
    sha256_add(&key->outer, block, 64);
}

UNUSED static void hmac_end(const struct hmac_key *key, struct sha256 *inner, unsigned char out[32]) {
    struct sha256 outer = key->outer;
    sha256_end(inner, out);
    sha256_add(&outer, out, 32);
    sha256_end(&outer, out);
}

UNUSED static void write_hex(char out[64], const unsigned char bytes[32]) {
    for (int i = 0; i < 32; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
}

// MARK: Latencies

struct latencies {
    uint32_t *microseconds;
    size_t count, room;
};

UNUSED static void note_latency(struct latencies *all, double seconds) {
    if (all->count == all->room) {
        all->room = all->room == 0 ? 1 << 16 : all->room * 2;
        all->microseconds = realloc(all->microseconds, all->room * sizeof *all->microseconds);
        if (all->microseconds == NULL) stop("no memory for latencies");
    }
    all->microseconds[all->count++] = seconds <= 0 ? 0 : seconds > 4000 ? 4000000000u : (uint32_t)(seconds * 1e6);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

// Writes "p50_ms":…, to "max_ms":… without braces; sorts first.
UNUSED static void print_latencies(struct latencies *all) {
    if (all->count > 0) qsort(all->microseconds, all->count, sizeof *all->microseconds, by_size);
    static const struct { const char *name; double part; } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (int i = 0; i < 4; i++) {
        size_t at = (size_t)((double)all->count * wanted[i].part);
        if (at >= all->count) at = all->count > 0 ? all->count - 1 : 0;
        printf("\"%s_ms\":%.3f,", wanted[i].name, all->count == 0 ? 0 : all->microseconds[at] / 1000.0);
    }
    printf("\"max_ms\":%.3f", all->count == 0 ? 0 : all->microseconds[all->count - 1] / 1000.0);
}

// MARK: Arguments: --name value

UNUSED static const char *option(int count, char **arguments, const char *name, const char *otherwise) {
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(arguments[i], name) == 0) return arguments[i + 1];
    return otherwise;
}
UNUSED static double option_number(int count, char **arguments, const char *name, double otherwise) {
    const char *text = option(count, arguments, name, NULL);
    if (text == NULL) return otherwise;
    char *end;
    double number = strtod(text, &end);
    if (*end != 0 || end == text) stop("%s must be a number, not %s", name, text);
    return number;
}

#endif
