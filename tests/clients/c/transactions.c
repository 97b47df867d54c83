/* The steps of transactions with librdkafka: see ../doc.go. The table of steps is in transact, at the end. */
#include "client.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITIONS = 6, PER_STEP = 60, INPUT = 120, WANT_MAX = 5 * PER_STEP, VALUE_MAX = 48, WAIT_MS = 40000 };

static char want[WANT_MAX][VALUE_MAX]; /* what is committed */
static int wanted;
static char text[512];

/* failed gives the text of an error, and frees it. */
static const char *failed(rd_kafka_error_t *e) {
    if (!e)
        return NULL;
    snprintf(text, sizeof(text), "%s: %s", rd_kafka_error_name(e), rd_kafka_error_string(e));
    rd_kafka_error_destroy(e);
    return text;
}

static rd_kafka_t *new_producer(const char *id, const char *timeout_ms) {
    const char *pairs[] = {"transactional.id", id, "transaction.timeout.ms", timeout_ms, "message.timeout.ms", timeout_ms, NULL};
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf(pairs), text, sizeof(text));
    const char *why = rk ? failed(rd_kafka_init_transactions(rk, WAIT_MS)) : text;
    if (why)
        done("init_transactions", "", why);
    return rk;
}

static rd_kafka_t *named(const char *name, const char *timeout_ms) {
    char id[256];
    snprintf(id, sizeof(id), "%s-%s", topic, name);
    return new_producer(id, timeout_ms);
}

static rd_kafka_t *member(const char *of, const char *group) {
    const char *pairs[] = {"group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest", "isolation.level", "read_committed",
                           "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000", NULL};
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf(pairs), text, sizeof(text));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_add(topics, of, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

static const char *put(rd_kafka_t *rk, int partition, const char *value) {
    rd_kafka_resp_err_t e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE((void *)value, strlen(value)),
                                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    return e ? rd_kafka_err2str(e) : NULL;
}

/* send_all begins a transaction and waits until its records are acknowledged. */
static const char *send_all(rd_kafka_t *rk, const char *prefix) {
    const char *why = failed(rd_kafka_begin_transaction(rk));
    for (int n = 0; !why && n < PER_STEP; n++) {
        char value[VALUE_MAX];
        snprintf(value, sizeof(value), "%s-%d", prefix, n);
        why = put(rk, n % PARTITIONS, value);
    }
    return why ? why : rd_kafka_flush(rk, WAIT_MS) ? "not all were delivered" : NULL;
}

static const char *end(rd_kafka_t *rk, int commit) {
    return failed(commit ? rd_kafka_commit_transaction(rk, WAIT_MS) : rd_kafka_abort_transaction(rk, WAIT_MS));
}

static const char *write_all(rd_kafka_t *rk, const char *prefix) {
    for (int n = 0; n < PER_STEP; n++)
        snprintf(want[wanted++], VALUE_MAX, "%s-%d", prefix, n);
    const char *why = send_all(rk, prefix);
    return why ? why : end(rk, 1);
}

/* visible: what was committed is read, once, and nothing else. */
static const char *visible(void) {
    char group[256], seen[WANT_MAX] = {0};
    snprintf(group, sizeof(group), "%s-%lld-%d", topic, (long long)time(NULL), wanted);
    rd_kafka_t *rk = member(topic, group);
    for (int got = 0; got < wanted; got++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (!m || m->err)
            return m ? strcpy(text, rd_kafka_message_errstr(m)) : "nothing came for 40 s";
        int n = 0;
        while (n < wanted && (strlen(want[n]) != m->len || memcmp(want[n], m->payload, m->len) || seen[n]))
            n++;
        if (n == wanted) {
            snprintf(text, sizeof(text), "read what was not committed, or twice: %.*s", (int)m->len, (const char *)m->payload);
            return text;
        }
        seen[n] = 1;
        rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return NULL;
}

static const char *commit_with(const char *prefix) {
    rd_kafka_t *rk = named("id", "60000");
    const char *why = write_all(rk, prefix);
    rd_kafka_destroy(rk);
    return why ? why : visible();
}

static const char *abort_one(void) {
    rd_kafka_t *rk = named("id", "60000");
    const char *why = send_all(rk, "abort");
    if (!why && !(why = end(rk, 0)))
        why = write_all(rk, "after");
    rd_kafka_destroy(rk);
    return why ? why : visible();
}

/* fenced has a producer that may not commit any more, once another has committed. It says which error it got. */
static void fenced(const char *step, const char *id, const char *timeout_ms, const char *zombie, const char *prefix) {
    rd_kafka_t *rk = named(id, timeout_ms);
    const char *why = send_all(rk, zombie);
    if (!why)
        why = commit_with(prefix);
    if (why)
        done(step, "", why);
    rd_kafka_error_t *e = rd_kafka_commit_transaction(rk, WAIT_MS);
    int code = e ? rd_kafka_error_code(e) : 0;
    if (code != RD_KAFKA_RESP_ERR__FENCED && code != RD_KAFKA_RESP_ERR_PRODUCER_FENCED && code != RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
        done(step, "", e ? failed(e) : "the producer was not fenced");
    printf("ok %s: %s\n", step, rd_kafka_err2name(code));
    rd_kafka_error_destroy(e);
    rd_kafka_destroy(rk);
}

/* pass reads some records and writes them, with the offsets, in one transaction. It gives how many, below 0 with an error. */
static int pass(rd_kafka_t *rk, rd_kafka_t *from, int most, int commit, const char **why) {
    rd_kafka_topic_partition_list_t *next;
    int count = 0;
    *why = failed(rd_kafka_begin_transaction(rk));
    while (!*why && count < most) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(from, count ? 1000 : WAIT_MS);
        if (!m)
            break;
        char value[VALUE_MAX];
        snprintf(value, sizeof(value), "out-%.*s", (int)m->len, (const char *)m->payload);
        *why = m->err ? strcpy(text, rd_kafka_message_errstr(m)) : put(rk, m->partition, value);
        rd_kafka_message_destroy(m);
        count++;
    }
    if (!*why && !count)
        *why = "nothing came for 40 s";
    if (*why)
        return -1;
    rd_kafka_consumer_group_metadata_t *who = rd_kafka_consumer_group_metadata(from);
    rd_kafka_assignment(from, &next);
    rd_kafka_position(from, next);
    *why = failed(rd_kafka_send_offsets_to_transaction(rk, next, who, WAIT_MS));
    rd_kafka_topic_partition_list_destroy(next);
    rd_kafka_consumer_group_metadata_destroy(who);
    if (!*why)
        *why = end(rk, commit);
    return *why ? -1 : count;
}

/* offsets: the second transaction is aborted, and made anew from what is committed. */
static const char *offsets(const char *group) {
    char in[256];
    const char *why = NULL;
    snprintf(in, sizeof(in), "%s-in", topic);
    rd_kafka_t *rk = new_producer(group, "60000"), *from = member(in, group);
    for (int read = 0, number = 0; read < INPUT; number++) {
        int most = INPUT - read < INPUT / 6 ? INPUT - read : INPUT / 6, count = pass(rk, from, most, number != 1, &why);
        if (count < 0)
            return why;
        if (number != 1) {
            read += count;
            continue;
        }
        rd_kafka_consumer_close(from);
        rd_kafka_destroy(from);
        from = member(in, group);
    }
    rd_kafka_consumer_close(from);
    rd_kafka_destroy(from);
    rd_kafka_destroy(rk);
    return NULL;
}

void transact(const char *group) {
    done("commit", "", commit_with("commit"));
    done("abort", "", abort_one());
    fenced("fenced", "id", "60000", "zombie", "second");
    fenced("timeout", "late", "2000", "late", "past"); /* what is past cannot be read before the first has timed out */
    done("offsets", "", offsets(group));
}
