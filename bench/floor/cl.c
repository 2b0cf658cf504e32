/* Load client: N simulated vehicles in one process, so cheap that the server is what gets measured.
 *
 *   cl wayside|ws|sse|mqtt|tcp|udp PORT N SECONDS TLS(0|1) down|up SIZE HZ
 *
 * down: connects N times, prints READY, then looks in every stream for "TS=" + 16 hex digits and
 *       reports the age of each stamp. Ends 1.5 s after the last message.
 * up:   sends SIZE bytes (first 8 = little-endian CLOCK_MONOTONIC ns) HZ times a second per vehicle,
 *       evenly spread over the vehicles.
 * wayside: the vehicle link, a WebSocket with its subprotocol and a HELLO as vehicle cNNNNNN.
 * TLS=1 needs a build with -DTLS -lssl -lcrypto. */
#include "bench.h"
#include <sys/epoll.h>
#ifdef TLS
#include <openssl/ssl.h>
static SSL_CTX *ctx;
static SSL **ssl;
#endif

static int tls, *fds;

static ssize_t wr(int i, const void *b, size_t n)
{
#ifdef TLS
    if (tls) return SSL_write(ssl[i], b, (int)n);
#endif
    return send(fds[i], b, n, MSG_NOSIGNAL);
}

static ssize_t rd(int i, void *b, size_t n)
{
#ifdef TLS
    if (tls) return SSL_read(ssl[i], b, (int)n);
#endif
    return recv(fds[i], b, n, 0);
}

static int put_str(uint8_t *o, const char *s) /* MQTT string: 16-bit length, bytes */
{
    int l = (int)strlen(s);
    o[0] = (uint8_t)(l >> 8);
    o[1] = (uint8_t)l;
    memcpy(o + 2, s, (size_t)l);
    return l + 2;
}

static int hello_ws(int i, const char *protocol)
{
    char b[4096];
    int k = snprintf(b, sizeof b,
                     "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                     protocol);
    size_t n = 0;
    wr(i, b, (size_t)k);
    while (n < sizeof b - 1) {
        ssize_t r = rd(i, b + n, sizeof b - 1 - n);
        if (r <= 0) return -1;
        n += (size_t)r;
        b[n] = 0;
        if (strstr(b, "\r\n\r\n")) break;
    }
    return strstr(b, " 101 ") ? 0 : -1;
}

static int put_text(uint8_t *o, const char *s) /* msgpack fixstr */
{
    int l = (int)strlen(s);
    o[0] = (uint8_t)(0xa0 | l);
    memcpy(o + 1, s, (size_t)l);
    return l + 1;
}

/* a HELLO frame: header of 28 octets (kind 1, the rest 0), msgpack {vehicle_id, dialect} */
static int hello_wayside(int i)
{
    uint8_t m[128] = {1}, f[160];
    char id[32];
    int k = 28, h = 0;
    if (hello_ws(i, "Sec-WebSocket-Protocol: v2x.uper.v1\r\n")) return -1;
    snprintf(id, sizeof id, "c%06d", i);
    m[k++] = 0x82;
    k += put_text(m + k, "vehicle_id");
    k += put_text(m + k, id);
    k += put_text(m + k, "dialect");
    k += put_text(m + k, "csae53-2020");
    f[h++] = 0x82;
    f[h++] = (uint8_t)(0x80 | k);
    memset(f + h, 0x11, 4);
    h += 4;
    for (int q = 0; q < k; q++) f[h + q] = m[q] ^ 0x11;
    return wr(i, f, (size_t)(h + k)) == h + k ? 0 : -1;
}

static int hello_sse(int i)
{
    static const char req[] = "GET /sse HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    return wr(i, req, sizeof req - 1) > 0 ? 0 : -1;
}

/* MQTT 3.1.1, clean session; down subscribes to w/all and w/v/NNNNNN at QoS 0 */
static int hello_mqtt(int i, int up)
{
    uint8_t b[256], v[128];
    char id[32], topic[32];
    int k = 0;
    snprintf(id, sizeof id, "c%06d", i);
    snprintf(topic, sizeof topic, "w/v/%06d", i);
    k += put_str(v + k, "MQTT");
    v[k++] = 4;
    v[k++] = 2;
    v[k++] = 0;
    v[k++] = 0;
    k += put_str(v + k, id);
    b[0] = 0x10;
    b[1] = (uint8_t)k;
    memcpy(b + 2, v, (size_t)k);
    wr(i, b, (size_t)k + 2);
    if (rd(i, b, 4) != 4 || b[3]) return -1;
    if (up) return 0;
    k = 0;
    v[k++] = 0;
    v[k++] = 1;
    k += put_str(v + k, "w/all");
    v[k++] = 0;
    k += put_str(v + k, topic);
    v[k++] = 0;
    b[0] = 0x82;
    b[1] = (uint8_t)k;
    memcpy(b + 2, v, (size_t)k);
    wr(i, b, (size_t)k + 2);
    return rd(i, b, 6) > 0 ? 0 : -1;
}

static void open_all(const char *mode, int port, int n, int up)
{
    int udp = !strcmp(mode, "udp");
    struct sockaddr_in sa = loopback(port);
    for (int i = 0; i < n; i++) {
        int f = fds[i] = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0), bad = 0;
        if (f < 0 || connect(f, (void *)&sa, sizeof sa)) die("connect");
        if (!udp) set_int(f, IPPROTO_TCP, TCP_NODELAY, 1);
#ifdef TLS
        if (tls) { /* the bench certificate is self-signed: nothing is verified here */
            ssl[i] = SSL_new(ctx);
            SSL_set_fd(ssl[i], f);
            if (SSL_connect(ssl[i]) != 1) { fprintf(stderr, "TLS handshake failed\n"); exit(1); }
        }
#endif
        if (!strcmp(mode, "ws")) bad = hello_ws(i, "");
        else if (!strcmp(mode, "wayside")) bad = hello_wayside(i);
        else if (!strcmp(mode, "sse")) bad = hello_sse(i);
        else if (!strcmp(mode, "mqtt")) bad = hello_mqtt(i, up);
        else if (udp) { wr(i, "hello", 5); usleep(200); }
        else wr(i, "hello\n", 6);
        if (bad) { fprintf(stderr, "%s handshake %d failed\n", mode, i); exit(1); }
    }
}

static void send_up(const char *mode, int n, double sec, int size, double hz)
{
    uint8_t pl[1024], fr[1200];
    long sent = 0, failed = 0;
    double per = 1e9 / (hz * n), cpu = cpu_s();
    uint64_t start = now_ns();
    memset(pl, 'p', sizeof pl);
    while ((double)(now_ns() - start) < sec * 1e9) {
        long due = (long)((double)(now_ns() - start) / per);
        for (; sent < due; sent++) {
            int i = (int)(sent % n), k = 0;
            uint64_t ts = now_ns();
            memcpy(pl, &ts, 8);
            if (!strcmp(mode, "ws")) { /* binary frame, fixed mask */
                fr[k++] = 0x82;
                fr[k++] = (uint8_t)(0x80 | size);
                memset(fr + k, 0x11, 4);
                k += 4;
                for (int q = 0; q < size; q++) fr[k + q] = pl[q] ^ 0x11;
            } else if (!strcmp(mode, "mqtt")) {
                char topic[32];
                int l = snprintf(topic, sizeof topic, "u/%06d", i);
                fr[k++] = 0x30;
                fr[k++] = (uint8_t)(2 + l + size);
                k += put_str(fr + k, topic);
                memcpy(fr + k, pl, (size_t)size);
            } else {
                if (strcmp(mode, "udp")) { fr[k++] = 0; fr[k++] = (uint8_t)size; }
                memcpy(fr + k, pl, (size_t)size);
            }
            k += size;
            failed += wr(i, fr, (size_t)k) != k;
        }
        usleep(500);
    }
    printf("{\"sent\":%ld,\"failed\":%ld,\"client_cpu_s\":%.2f}\n", sent, failed, cpu_s() - cpu);
}

static void read_down(int n, double sec)
{
    enum { CHUNK = 65536, KEEP = 32 };
    size_t cap = 1 << 22, k = 0;
    uint64_t *lat = malloc(cap * sizeof *lat), start = now_ns(), last = start;
    char *buf = malloc(CHUNK + KEEP), (*carry)[KEEP] = calloc((size_t)n, KEEP);
    int *held = calloc((size_t)n, sizeof *held), ep = epoll_create1(0), closed = 0;
    struct epoll_event ev[512];
    for (int i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e);
    }
    printf("READY\n");
    fflush(stdout);
    double cpu = cpu_s();
    while (closed < n) {
        int m = epoll_wait(ep, ev, 512, 200);
        uint64_t t = now_ns();
        if ((k && t - last > 1500000000ull) || (double)(t - start) > (sec + 25) * 1e9) break;
        for (int q = 0; q < m; q++) {
            uint32_t i = ev[q].data.u32;
            for (;;) {
                size_t h = (size_t)held[i];
                memcpy(buf, carry[i], h);
                ssize_t r = rd((int)i, buf + h, CHUNK);
                if (r == 0) { epoll_ctl(ep, EPOLL_CTL_DEL, fds[i], 0); closed++; break; }
                if (r < 0) break;
                uint64_t at = now_ns();
                char *end = buf + h + r, *p = buf;
                while ((p = memmem(p, (size_t)(end - p), "TS=", 3)) && p + STAMP_LEN <= end) {
                    char x[17];
                    memcpy(x, p + 3, 16);
                    x[16] = 0;
                    if (k < cap) lat[k++] = at - strtoull(x, 0, 16);
                    last = at;
                    p += STAMP_LEN;
                }
                /* a stamp may be split between two reads: keep its start, or a possible "T"/"TS" */
                size_t keep = p ? (size_t)(end - p) : (size_t)(end - buf) < 2 ? (size_t)(end - buf) : 2;
                memcpy(carry[i], end - keep, keep);
                held[i] = (int)keep;
                if (r < CHUNK && !tls) break;
            }
        }
    }
    cpu = cpu_s() - cpu;
    qsort(lat, k, sizeof *lat, cmp_u64);
    printf("{\"recv\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"client_cpu_s\":%.2f}\n", k,
           pct_ms(lat, k, .5), pct_ms(lat, k, .99), pct_ms(lat, k, 1), cpu);
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fprintf(stderr, "usage: cl wayside|ws|sse|mqtt|tcp|udp PORT N SECONDS TLS(0|1) down|up SIZE HZ\n");
        return 2;
    }
    const char *mode = argv[1];
    int n = atoi(argv[3]), up = !strcmp(argv[6], "up"), size = atoi(argv[7]);
    double sec = atof(argv[4]), hz = atof(argv[8]);
    tls = atoi(argv[5]);
    if (n < 1 || (up && (size < 8 || size > 110))) { fprintf(stderr, "N >= 1; up: SIZE 8..110\n"); return 2; }
    raise_fd_limit();
    fds = calloc((size_t)n, sizeof *fds);
#ifdef TLS
    if (tls) { ctx = SSL_CTX_new(TLS_client_method()); ssl = calloc((size_t)n, sizeof *ssl); }
#else
    if (tls) { fprintf(stderr, "built without TLS\n"); return 2; }
#endif
    open_all(mode, atoi(argv[2]), n, up);
    if (up) send_up(mode, n, sec, size, hz);
    else read_down(n, sec);
    return 0;
}
