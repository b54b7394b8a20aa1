// sink [--port N]: takes webhooks, answers 200, counts; checks each signature once it was given secrets.
//
//   POST /secrets   lines `PATH SECRET`: deliveries to PATH are checked (Standard Webhooks, v1) with whsec_… from now on
//   GET  /stats     what was counted so far, as JSON
//   POST anything   a delivery
//
// One thread. Prints its port on the first line of its output, and the counts as JSON when it gets SIGTERM.
// `distinct` counts the different webhook-ids of each path, `repeated` the rest.
#define _GNU_SOURCE
#include "../tools.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define REQUEST_MAX (256 * 1024)
#define SECRETS_MAX 64

struct connection {
    int socket;
    size_t length;
    char in[REQUEST_MAX];
};
struct secret {
    char path[128];
    struct hmac_key key;
};
struct text {
    const char *at;
    size_t length;
};

static struct secret secrets[SECRETS_MAX];
static int secret_count;
static unsigned long requests, proven, refused, distinct, repeated, connections;
static unsigned long long body_bytes;
static double first_at, last_at;
static uint64_t *seen;
static size_t seen_room;

// MARK: Counting different ids

static void note_id(uint64_t hash) {
    if (hash == 0) hash = 1;
    if (distinct * 2 >= seen_room) {
        size_t room = seen_room == 0 ? 1 << 20 : seen_room * 2;
        uint64_t *wider = calloc(room, sizeof *wider);
        if (wider == NULL) stop("no memory for ids");
        for (size_t i = 0; i < seen_room; i++) {
            if (seen[i] == 0) continue;
            size_t at = seen[i] & (room - 1);
            while (wider[at] != 0) at = (at + 1) & (room - 1);
            wider[at] = seen[i];
        }
        free(seen);
        seen = wider;
        seen_room = room;
    }
    size_t at = hash & (seen_room - 1);
    while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (seen_room - 1);
    if (seen[at] == hash) {
        repeated++;
    } else {
        seen[at] = hash;
        distinct++;
    }
}

// MARK: Signatures

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t base64_decode(unsigned char *out, size_t room, const char *text, size_t length) {
    size_t done = 0;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < length && base64_value(text[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(text[i]);
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (done == room) return 0;
            out[done++] = (unsigned char)(bits >> held);
        }
    }
    return done;
}

static int is_proven(const struct hmac_key *key, struct text id, struct text at, struct text signatures, const char *body,
                     size_t length) {
    struct sha256 hash = key->inner;
    unsigned char wanted[32], given[33];
    sha256_add(&hash, id.at, id.length);
    sha256_add(&hash, ".", 1);
    sha256_add(&hash, at.at, at.length);
    sha256_add(&hash, ".", 1);
    sha256_add(&hash, body, length);
    hmac_end(key, &hash, wanted);
    for (const char *s = signatures.at, *end = s + signatures.length; s + 3 < end;) {
        const char *next = memchr(s, ' ', (size_t)(end - s));
        size_t part = next == NULL ? (size_t)(end - s) : (size_t)(next - s);
        if (memcmp(s, "v1,", 3) == 0 && base64_decode(given, sizeof given, s + 3, part - 3) == 32
            && memcmp(given, wanted, 32) == 0)
            return 1;
        s += part + 1;
    }
    return 0;
}

static void take_secrets(char *body) {
    for (char *line = strtok(body, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *blank = strchr(line, ' ');
        if (blank == NULL || secret_count == SECRETS_MAX) continue;
        *blank = 0;
        const char *text = blank + 1;
        if (strncmp(text, "whsec_", 6) == 0) text += 6;
        unsigned char bytes[128];
        size_t length = base64_decode(bytes, sizeof bytes, text, strlen(text));
        if (length == 0) continue;
        snprintf(secrets[secret_count].path, sizeof secrets[0].path, "%s", line);
        hmac_prepare(&secrets[secret_count++].key, bytes, length);
    }
}

// MARK: Requests

static int write_stats(char *out, size_t room) {
    return snprintf(out, room,
                    "{\"requests\":%lu,\"proven\":%lu,\"refused\":%lu,\"distinct\":%lu,\"repeated\":%lu,\"connections\":%lu,"
                    "\"body_bytes\":%llu,\"first_at\":%.6f,\"last_at\":%.6f,\"now\":%.6f}\n",
                    requests, proven, refused, distinct, repeated, connections, body_bytes, first_at, last_at, seconds_now());
}

static void answer(int socket, const char *body) {
    char text[1024];
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    // An answer is small: a peer that does not take it is not worth waiting for.
    if (send(socket, text, (size_t)length, MSG_NOSIGNAL) != length) shutdown(socket, SHUT_RDWR);
}

static struct text header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL && line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':') continue;
        const char *value = line + 3 + length;
        while (*value == ' ') value++;
        const char *stop_at = strstr(value, "\r\n");
        return (struct text){value, (size_t)(stop_at - value)};
    }
    return (struct text){"", 0};
}

static void take_delivery(struct text path, const char *head, const char *end, const char *body, size_t length) {
    requests++;
    body_bytes += length;
    last_at = seconds_now();
    if (first_at == 0) first_at = last_at;
    struct text id = header(head, end, "webhook-id");
    if (id.length > 0) {
        uint64_t hash = 14695981039346656037u;
        for (size_t i = 0; i < path.length; i++) hash = (hash ^ (unsigned char)path.at[i]) * 1099511628211u;
        for (size_t i = 0; i < id.length; i++) hash = (hash ^ (unsigned char)id.at[i]) * 1099511628211u;
        note_id(mixed(hash));
    }
    for (int i = 0; i < secret_count; i++) {
        if (strlen(secrets[i].path) != path.length || memcmp(secrets[i].path, path.at, path.length) != 0) continue;
        if (is_proven(&secrets[i].key, id, header(head, end, "webhook-timestamp"), header(head, end, "webhook-signature"), body, length))
            proven++;
        else
            refused++;
        return;
    }
}

// Takes one whole request off the front; 0 when there is none yet.
static size_t take_request(struct connection *c) {
    c->in[c->length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) return 0;
    size_t head = (size_t)(end - c->in) + 4, body = strtoul(header(c->in, end, "content-length").at, NULL, 10);
    if (header(c->in, end, "transfer-encoding").length > 0) stop("chunked requests are not read");
    if (head + body >= REQUEST_MAX) stop("a request of %zu bytes", head + body);
    if (c->length < head + body) return 0;
    char *target = strchr(c->in, ' ');
    if (target == NULL) stop("not HTTP: %.40s", c->in);
    target++;
    struct text path = {target, strcspn(target, " ?\r")};
    if (path.length == 6 && memcmp(path.at, "/stats", 6) == 0) {
        char stats[512];
        write_stats(stats, sizeof stats);
        answer(c->socket, stats);
    } else if (path.length == 8 && memcmp(path.at, "/secrets", 8) == 0) {
        char lines[8192];
        snprintf(lines, sizeof lines, "%.*s", (int)body, c->in + head);
        take_secrets(lines);
        answer(c->socket, "");
    } else {
        take_delivery(path, c->in, end, c->in + head, body);
        answer(c->socket, "");
    }
    return head + body;
}

static void serve(struct connection *c) {
    ssize_t n = recv(c->socket, c->in + c->length, REQUEST_MAX - 1 - c->length, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        close(c->socket);
        free(c);
        return;
    }
    c->length += (size_t)n;
    size_t taken;
    while (c->length > 0 && (taken = take_request(c)) > 0) {
        memmove(c->in, c->in + taken, c->length - taken);
        c->length -= taken;
    }
}

int main(int count, char **arguments) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)option_number(count, arguments, "--port", 0));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) stop("bind: %s", strerror(errno));
    if (listen(listener, 1024) != 0) stop("listen: %s", strerror(errno));
    socklen_t length = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int signals = signalfd(-1, &ends, 0), poller = epoll_create1(0);
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &want);
    want.data.ptr = &signals;
    epoll_ctl(poller, EPOLL_CTL_ADD, signals, &want);
    while (1) {
        struct epoll_event ready[256];
        int n = epoll_wait(poller, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr == &signals) {
                char stats[512];
                write_stats(stats, sizeof stats);
                fputs(stats, stdout);
                return 0;
            }
            if (ready[i].data.ptr != &listener) {
                serve(ready[i].data.ptr);
                continue;
            }
            int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (socket < 0) continue;
            setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            struct connection *c = malloc(sizeof *c);
            if (c == NULL) stop("no memory for a connection");
            c->socket = socket;
            c->length = 0;
            connections++;
            struct epoll_event on = {.events = EPOLLIN, .data.ptr = c};
            epoll_ctl(poller, EPOLL_CTL_ADD, socket, &on);
        }
    }
}
