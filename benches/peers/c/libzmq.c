/* libzmq behind the command line of examples/perf.rs: zmq_send copies a fresh body into each
 * message, receivers block, the marks are 1000, one I/O thread. */

#include <pthread.h>
#include <zmq.h>

#include "kit.h"

static void *context;

static void check(int rc, const char *what)
{
    if (rc < 0)
        fail(what, zmq_strerror(zmq_errno()));
}

/* CURVE=1: the side that binds is the server. Keys that everybody can read are for measuring. */
static void encrypt(void *socket, int binds)
{
    int yes = 1;
    char public[41], of_server[41], secret[41];
    uint8_t server_octets[32], client_octets[32];
    memset(server_octets, 1, 32);
    memset(client_octets, 2, 32);
    zmq_z85_encode(secret, server_octets, 32);
    check(zmq_curve_public(of_server, secret), "CURVE");
    if (binds) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
        check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server_octets, 32), "CURVE");
        return;
    }
    zmq_z85_encode(secret, client_octets, 32);
    check(zmq_curve_public(public, secret), "CURVE");
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, client_octets, 32);
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, of_server, 40), "CURVE");
}

static void *new_socket(int type)
{
    int backlog = 4096;
    void *socket = zmq_socket(context, type);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_BACKLOG, &backlog, sizeof backlog);
    return socket;
}

static void *bound(int type, const char *at)
{
    void *socket = new_socket(type);
    if (getenv("CURVE"))
        encrypt(socket, 1);
    check(zmq_bind(socket, at), at);
    return socket;
}

static void *connected(int type, const char *at)
{
    void *socket = new_socket(type);
    if (getenv("CURVE"))
        encrypt(socket, 0);
    check(zmq_connect(socket, at), at);
    return socket;
}

/* Waits until all that is queued has left. */
static int finish(void *socket)
{
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}

static void send_all(void *socket)
{
    for (int i = 0; i < count; i++)
        check(zmq_send(socket, body, size, 0), "send");
}

/* A message of `parts` frames, of which the last is the body. */
static int take(void *socket, int parts)
{
    zmq_msg_t message;
    int octets = 0;
    for (int part = 0; part < parts; part++) {
        zmq_msg_init(&message);
        octets = zmq_msg_recv(&message, socket, 0);
        zmq_msg_close(&message);
    }
    return octets;
}

static void receive_all(void *socket, int parts)
{
    int received = 1, silence_ms = 2000;
    int octets = take(socket, parts);
    double began = now(), ended;
    if (octets != size)
        fail("recv", "not what was sent");
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &silence_ms, sizeof silence_ms);
    while (received < count && take(socket, parts) >= 0)
        received++;
    ended = now() - (received < count ? silence_ms / 1e3 : 0);
    print_rate(received, began, ended);
}

static void ask_all(void *socket)
{
    double *times_us = malloc(count * sizeof *times_us);
    for (int i = 0; i < count; i++) {
        double began = now();
        check(zmq_send(socket, body, size, 0), "send");
        check(take(socket, 1), "recv");
        times_us[i] = (now() - began) * 1e6;
    }
    print_trips(times_us);
}

static void answer_all(void *socket)
{
    for (int i = 0; i < count; i++) {
        check(take(socket, 1), "recv");
        check(zmq_send(socket, body, size, 0), "send");
    }
}

static int publish(const char *at, int subscribers)
{
    int yes = 1;
    void *socket = new_socket(ZMQ_XPUB);
    zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &yes, sizeof yes);
    zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &yes, sizeof yes);
    check(zmq_bind(socket, at), at);
    for (int i = 0; i < subscribers; i++)
        check(take(socket, 1), "subscription");
    send_all(socket);
    return finish(socket);
}

static int subscribe(const char *at)
{
    void *socket = new_socket(ZMQ_SUB);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    check(zmq_connect(socket, at), at);
    receive_all(socket, 1);
    return 0;
}

static int connections(const char *at)
{
    double began = now();
    for (int i = 0; i < count; i++) {
        void *socket = connected(ZMQ_REQ, at);
        check(zmq_send(socket, body, size, 0), "send");
        check(take(socket, 1), "recv");
        zmq_close(socket);
    }
    printf("conns/s=%.0f\n", count / (now() - began));
    return 0;
}

static int idle(const char *kind, const char *at, int peers)
{
    int router = !strcmp(kind, "router");
    void *socket = bound(router ? ZMQ_ROUTER : ZMQ_PULL, at);
    long bound_kb = resident_kb();
    for (int i = 0; i < peers; i++)
        check(take(socket, router ? 2 : 1), "recv");
    print_weight(bound_kb, peers);
    return 0;
}

static void *pushing(void *at)
{
    void *socket = connected(ZMQ_PUSH, at);
    send_all(socket);
    zmq_close(socket);
    return NULL;
}

static void *answering(void *at)
{
    void *socket = connected(ZMQ_REP, at);
    answer_all(socket);
    zmq_close(socket);
    return NULL;
}

static int inproc(int type, void *(*other)(void *))
{
    char at[] = "inproc://here";
    pthread_t thread;
    void *socket = bound(type, at);
    pthread_create(&thread, NULL, other, at);
    if (type == ZMQ_PULL)
        receive_all(socket, 1);
    else
        ask_all(socket);
    pthread_join(thread, NULL);
    return 0;
}

int main(int words, char **word)
{
    const char *role = words > 1 ? word[1] : "", *at = words > 2 ? word[2] : "";
    context = zmq_ctx_new();
    if (getenv("PEERS"))
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, atoi(getenv("PEERS")));
    if (words == 4) {
        load(word[2], word[3]);
        if (!strcmp(role, "inproc-thr"))
            return inproc(ZMQ_PULL, pushing);
        if (!strcmp(role, "inproc-lat"))
            return inproc(ZMQ_REQ, answering);
    }
    if (words == 5 && !strcmp(role, "idle")) {
        load("8", word[4]);
        return idle(at, word[3], count);
    }
    if (words < 5)
        return lacking("no such role");
    load(word[3], word[4]);
    if (!strcmp(role, "push")) {
        void *socket = connected(ZMQ_PUSH, at);
        send_all(socket);
        return finish(socket);
    }
    if (!strcmp(role, "dealer")) {
        void *socket = connected(ZMQ_DEALER, at);
        send_all(socket);
        return finish(socket);
    }
    if (!strcmp(role, "rep")) {
        void *socket = bound(ZMQ_REP, at);
        answer_all(socket);
        return finish(socket);
    }
    if (!strcmp(role, "pull"))
        return receive_all(bound(ZMQ_PULL, at), 1), 0;
    if (!strcmp(role, "router"))
        return receive_all(bound(ZMQ_ROUTER, at), 2), 0;
    if (!strcmp(role, "req"))
        return ask_all(connected(ZMQ_REQ, at)), 0;
    if (!strcmp(role, "pub"))
        return publish(at, words > 5 ? atoi(word[5]) : 1);
    if (!strcmp(role, "sub"))
        return subscribe(at);
    if (!strcmp(role, "conn"))
        return connections(at);
    return lacking("no such role");
}
