// ingest --port N --secret WHSEC [--host A] [--path P] [--connections 64] [--seconds 5] [--rate R] [--type T]
//        [--count N]
// ingest --port N --requests FILE [--cycle 1] [--connections 64] [--seconds 5] [--rate R]
//
// Sends signed Stripe events of 2 KB to a server, each with an id of its own, over kept connections, from one thread.
// Without --rate each connection sends the next when the last is answered (closed loop). With --rate events come at
// fixed moments whether or not the server keeps up, and a latency counts from the moment at which an event was due
// (open loop: a server that stalls cannot hide behind a client that waits). With --count it ends after so many.
// With --requests it sends those of a file, each behind a line with its length, and ends with the file; with --cycle
// it begins again with the first.
//
// All signatures are made before the clock starts. What is on its way at the end is waited for and counted, but not
// in the rate. Prints one line of JSON.
#define _GNU_SOURCE
#include "../tools.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#define DRAIN_SECONDS 15
#define HEAD_ROOM 512
#define ANSWER_MAX 65536
#define SIGNED_MAX 4000000

struct connection {
    int socket;
    int busy;        // a request is out
    double since;    // when it was sent, or was due
    size_t out_length, out_done;
    size_t in_length;
    const char *out;  // into `made`, or into the file
    char made[HEAD_ROOM + EVENT_BYTES];
    char in[ANSWER_MAX];
};

static struct sockaddr_in address;
static const char *host_name, *path, *type;
static uint64_t seed, next_number;
static int64_t signed_at;
static struct hmac_key key;
static char (*signatures)[64];
static uint64_t signature_count;
static struct request { const char *bytes; size_t length; } *requests;
static uint64_t request_count;
static int poller;

static long statuses[600], broken, late_connects;
static uint64_t sent_bytes;
static long answered_in_time, answered_all;
static struct latencies latencies;

static void sign(const struct event *event, char out[64]) {
    char time_text[24];
    unsigned char digest[32];
    struct sha256 hash = key.inner;
    sha256_add(&hash, time_text, (size_t)snprintf(time_text, sizeof time_text, "%lld.", (long long)signed_at));
    sha256_add(&hash, event->body, EVENT_BYTES);
    hmac_end(&key, &hash, digest);
    write_hex(out, digest);
}

static void open_connection(struct connection *c) {
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0) stop("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->socket, (struct sockaddr *)&address, sizeof address) != 0) stop("connect: %s", strerror(errno));
    fcntl(c->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->socket, &want) != 0) stop("epoll_ctl: %s", strerror(errno));
    c->busy = 0;
    c->in_length = 0;
}

static void reopen(struct connection *c) {
    broken += c->busy;
    close(c->socket);
    late_connects++;
    open_connection(c);
}

static void write_on(struct connection *c) {
    while (c->out_done < c->out_length) {
        ssize_t n = send(c->socket, c->out + c->out_done, c->out_length - c->out_done, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct epoll_event want = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &want);
            return;
        }
        if (n <= 0) return reopen(c);
        c->out_done += (size_t)n;
        sent_bytes += (uint64_t)n;
    }
}

// The requests of a file, as they lie there.
static void read_requests(const char *file) {
    int from = open(file, O_RDONLY);
    struct stat about;
    if (from < 0 || fstat(from, &about) != 0) stop("%s: %s", file, strerror(errno));
    size_t size = (size_t)about.st_size, room = 0;
    const char *all = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, from, 0);
    if (all == NULL || all == MAP_FAILED) stop("%s holds no requests", file);
    for (size_t at = 0; at < size;) {
        const char *line = memchr(all + at, '\n', size - at);
        size_t length = strtoul(all + at, NULL, 10);
        if (line == NULL || length == 0 || (size_t)(line - all) + 1 + length > size) stop("%s: cut off at %zu", file, at);
        if (request_count == room) {
            room = room == 0 ? 1 << 16 : room * 2;
            requests = realloc(requests, room * sizeof *requests);
            if (requests == NULL) stop("no memory for requests");
        }
        requests[request_count++] = (struct request){line + 1, length};
        at = (size_t)(line - all) + 1 + length;
    }
    close(from);
}

static void send_next(struct connection *c, double since) {
    if (request_count > 0) {
        const struct request *next = &requests[next_number++ % request_count];
        c->out = next->bytes;
        c->out_length = next->length;
        c->out_done = 0;
        c->busy = 1;
        c->since = since;
        write_on(c);
        return;
    }
    struct event event;
    uint64_t number = next_number++;
    make_event(&event, seed, number, signed_at, type);
    char made[64];
    const char *signature = made;
    if (number < signature_count) signature = signatures[number]; else sign(&event, made);
    int head = snprintf(
        c->made, HEAD_ROOM,
        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*\r\n"
        "Stripe-Signature: t=%lld,v1=%.64s\r\n\r\n",
        path, host_name, EVENT_BYTES, (long long)signed_at, signature);
    memcpy(c->made + head, event.body, EVENT_BYTES);
    c->out = c->made;
    c->out_length = (size_t)head + EVENT_BYTES;
    c->out_done = 0;
    c->busy = 1;
    c->since = since;
    write_on(c);
}

// The length of the answer at the front of the buffer, or 0 when it is not whole yet.
static size_t whole_answer(struct connection *c, int *status, int *closes) {
    c->in[c->in_length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) return 0;
    if (c->in_length < 12 || strncmp(c->in, "HTTP/1.1 ", 9) != 0) stop("not HTTP/1.1: %.40s", c->in);
    *status = atoi(c->in + 9);
    *closes = 0;
    size_t body = 0;
    for (char *line = strstr(c->in, "\r\n"); line != NULL && line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) body = strtoul(line + 17, NULL, 10);
        if (strncasecmp(line + 2, "transfer-encoding:", 18) == 0) stop("chunked answers are not read");
        if (strncasecmp(line + 2, "connection: close", 17) == 0) *closes = 1;
    }
    size_t whole = (size_t)(end - c->in) + 4 + body;
    if (whole >= ANSWER_MAX) stop("an answer of %zu bytes", whole);
    return whole <= c->in_length ? whole : 0;
}

// True when an answer came in and the connection is free again.
static int read_on(struct connection *c, double end) {
    ssize_t n = recv(c->socket, c->in + c->in_length, ANSWER_MAX - 1 - c->in_length, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) {
        int was_busy = c->busy;
        reopen(c);
        return was_busy;
    }
    c->in_length += (size_t)n;
    int status, closes;
    size_t whole = whole_answer(c, &status, &closes);
    if (whole == 0) return 0;
    double now = seconds_now();
    statuses[status >= 0 && status < 600 ? status : 0]++;
    answered_all++;
    if (now <= end) answered_in_time++;
    note_latency(&latencies, now - c->since);
    memmove(c->in, c->in + whole, c->in_length - whole);
    c->in_length -= whole;
    c->busy = 0;
    if (closes) reopen(c);
    return 1;
}

int main(int count, char **arguments) {
    host_name = option(count, arguments, "--host", "127.0.0.1");
    path = option(count, arguments, "--path", "/webhooks/stripe");
    type = option(count, arguments, "--type", "payment_intent.succeeded");
    const char *file = option(count, arguments, "--requests", NULL);
    const char *secret = option(count, arguments, "--secret", file == NULL ? NULL : "none");
    int port = (int)option_number(count, arguments, "--port", 0);
    int connections = (int)option_number(count, arguments, "--connections", 64);
    double seconds = option_number(count, arguments, "--seconds", 5), rate = option_number(count, arguments, "--rate", 0);
    if (port == 0 || secret == NULL) stop("usage: ingest --port N --secret WHSEC [--connections 64] [--seconds 5] [--rate R]");

    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host_name, &address.sin_addr) != 1) stop("--host must be an IPv4 address");
    seed = random_number();
    signed_at = wall_microseconds() / 1000000;
    hmac_prepare(&key, secret, strlen(secret));
    uint64_t wanted = (uint64_t)option_number(count, arguments, "--count", 0);
    if (wanted > 0) seconds = 3600;
    if (file != NULL) read_requests(file);
    int cycles = option(count, arguments, "--cycle", NULL) != NULL;
    signature_count = file != NULL ? 1 : wanted > 0 ? wanted : (uint64_t)((rate > 0 ? rate : 40000) * seconds) + 1000;
    if (signature_count > SIGNED_MAX) signature_count = SIGNED_MAX;
    signatures = malloc(signature_count * sizeof *signatures);
    if (signatures == NULL) stop("no memory for signatures");
    for (uint64_t i = 0; i < signature_count; i++) {
        struct event event;
        make_event(&event, seed, i, signed_at, type);
        if (strlen((char *)event.body) != EVENT_BYTES) stop("an event has %zu bytes", strlen((char *)event.body));
        sign(&event, signatures[i]);
    }

    poller = epoll_create1(0);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct connection **idle = calloc((size_t)connections, sizeof *idle);
    if (all == NULL || idle == NULL) stop("no memory for connections");
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), idle_count = 0;
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &want);
    for (int i = 0; i < connections; i++) {
        open_connection(&all[i]);
        idle[idle_count++] = &all[i];
    }

    double start = seconds_now(), end = start + seconds;
    uint64_t due_total = wanted > 0 ? wanted : rate > 0 ? (uint64_t)(rate * seconds) : UINT64_MAX;
    if (request_count > 0 && !cycles && due_total > request_count) due_total = request_count;
    uint64_t due_done = 0;
    while (1) {
        double now = seconds_now();
        int sending = due_done < due_total && (rate > 0 || now < end);
        // Begin what is due, as far as connections are free.
        while (sending && idle_count > 0) {
            double due = rate > 0 ? start + (double)due_done / rate : now;
            if (due > now) {
                struct itimerspec at = {.it_value = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9) + 1}};
                timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
                break;
            }
            send_next(idle[--idle_count], due);
            due_done++;
            sending = due_done < due_total && (rate > 0 || now < end);
        }
        if (!sending && idle_count == connections) break;
        if (now > end + DRAIN_SECONDS) break;
        struct epoll_event ready[256];
        int n = epoll_wait(poller, ready, 256, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if (c == NULL) {
                uint64_t times;
                if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) stop("timer: %s", strerror(errno));
                continue;
            }
            if (ready[i].events & EPOLLOUT) {
                struct epoll_event only_in = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &only_in);
                write_on(c);
            }
            if ((ready[i].events & ~(uint32_t)EPOLLOUT) && read_on(c, end)) idle[idle_count++] = c;
        }
    }
    double took = seconds_now() - start;
    // Whatever came to its end before the time did has its own.
    if (wanted > 0 || (took < seconds && rate == 0)) seconds = took;

    long unanswered = connections - idle_count;
    printf("{\"connections\":%d,\"seconds\":%.3f,\"rate\":%.1f,\"sent\":%llu,\"answered\":%ld,\"per_second\":%.1f,\"statuses\":{",
           connections, took, rate, (unsigned long long)next_number, answered_all, (double)answered_in_time / seconds);
    const char *comma = "";
    for (int i = 0; i < 600; i++)
        if (statuses[i] > 0) {
            printf("%s\"%d\":%ld", comma, i, statuses[i]);
            comma = ",";
        }
    printf("},\"broken\":%ld,\"unanswered\":%ld,\"reconnected\":%ld,\"sent_bytes\":%llu,", broken, unanswered, late_connects,
           (unsigned long long)sent_bytes);
    print_latencies(&latencies);
    printf("}\n");
    return 0;
}
