/* librdkafka from C, as Debian ships it. Verbs and steps: ../doc.go. */
#include "client.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_CODEC = 200, PARTITIONS = 6, CODECS = 5, TOTAL = PER_CODEC * CODECS, WAIT_MS = 30000 };

static const char *codecs[CODECS] = {"none", "gzip", "snappy", "lz4", "zstd"};
const char *bootstrap, *topic;
static char err[512];

static int64_t time_of(int n) { return 1700000000000 + (int64_t)n * 1000; }

/* The first step that fails ends the program. */
void done(const char *step, const char *detail, const char *why) {
    if (why)
        printf("FAIL %s%s: %s\n", step, detail, why);
    else
        printf("ok %s%s\n", step, detail);
    fflush(stdout);
    if (why)
        exit(1);
}

/* conf takes pairs of names and values that end with NULL. */
rd_kafka_conf_t *conf(const char *const *pairs) {
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set(c, "bootstrap.servers", bootstrap, err, sizeof(err));
    for (; *pairs; pairs += 2)
        if (rd_kafka_conf_set(c, pairs[0], pairs[1], err, sizeof(err)) != RD_KAFKA_CONF_OK)
            done("config", "", err);
    return c;
}

static rd_kafka_t *producer(const char *codec) {
    const char *pairs[] = {"compression.codec", codec, "enable.idempotence", "true", NULL};
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf(pairs), err, sizeof(err));
}

static rd_kafka_t *consumer(const char *group) {
    const char *pairs[] = {"group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
                           "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000", NULL};
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf(pairs), err, sizeof(err));
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static void subscribe(rd_kafka_t *rk) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
}

static void leave(rd_kafka_t *rk) {
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

/* topic_error gives the error of the only topic of an answer. */
static const char *topic_error(rd_kafka_event_t *answer) {
    size_t n;
    const rd_kafka_topic_result_t **results = NULL;
    if (!answer)
        return "no answer";
    if (rd_kafka_event_error(answer))
        return rd_kafka_event_error_string(answer);
    if (rd_kafka_event_type(answer) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &n);
    else
        results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer), &n);
    return rd_kafka_topic_result_error(results[0]) ? rd_kafka_topic_result_error_string(results[0]) : NULL;
}

static const char *create(void) {
    rd_kafka_t *rk = producer("none");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *new = rd_kafka_NewTopic_new(topic, PARTITIONS, 1, err, sizeof(err));
    rd_kafka_NewTopic_set_config(new, "retention.ms", "-1");
    rd_kafka_CreateTopics(rk, &new, 1, NULL, queue);
    return topic_error(rd_kafka_queue_poll(queue, WAIT_MS));
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *failed) {
    (void)rk;
    if (m->err)
        snprintf(failed, sizeof(err), "%s", rd_kafka_err2str(m->err));
}

static const char *produce(int codec) {
    static char failed[sizeof(err)];
    const char *pairs[] = {"compression.codec", codecs[codec], "enable.idempotence", "true", NULL};
    rd_kafka_conf_t *c = conf(pairs);
    rd_kafka_conf_set_dr_msg_cb(c, delivered);
    rd_kafka_conf_set_opaque(c, failed);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, c, err, sizeof(err));
    if (!rk)
        return err;
    for (int n = codec * PER_CODEC; n < (codec + 1) * PER_CODEC; n++) {
        char key[32], value[32];
        int key_size = sprintf(key, "key-%d", n), value_size = sprintf(value, "value-%d", n);
        rd_kafka_resp_err_t e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(n % PARTITIONS),
            RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_TIMESTAMP(time_of(n)),
            RD_KAFKA_V_HEADER("codec", codecs[codec], -1), RD_KAFKA_V_HEADER("empty", "", 0),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (e)
            return rd_kafka_err2str(e);
    }
    if (rd_kafka_flush(rk, WAIT_MS))
        return "not all were delivered";
    rd_kafka_destroy(rk);
    return *failed ? failed : NULL;
}

/* matches says whether a message is record n, all of it. */
static int matches(const rd_kafka_message_t *m, int n) {
    char key[32], value[32];
    rd_kafka_headers_t *headers;
    const void *codec, *empty;
    size_t codec_size, empty_size, key_size = sprintf(key, "key-%d", n), value_size = sprintf(value, "value-%d", n);
    const char *want = codecs[n / PER_CODEC];
    return m->key_len == key_size && !memcmp(m->key, key, key_size) && m->len == value_size && !memcmp(m->payload, value, value_size) &&
        m->partition == n % PARTITIONS && rd_kafka_message_timestamp(m, NULL) == time_of(n) &&
        !rd_kafka_message_headers(m, &headers) && !rd_kafka_header_get_last(headers, "codec", &codec, &codec_size) &&
        codec_size == strlen(want) && !memcmp(codec, want, codec_size) &&
        !rd_kafka_header_get_last(headers, "empty", &empty, &empty_size) && empty_size == 0;
}

/* take marks the next count records in seen; each must be as it was written, from number first on, and come once. */
static const char *take(rd_kafka_t *rk, int count, char *seen, int first) {
    while (count > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (!m)
            return "nothing came for 30 s";
        if (m->err)
            return strcpy(err, rd_kafka_message_errstr(m));
        char text[32] = "";
        memcpy(text, m->payload, m->len < sizeof(text) ? m->len : sizeof(text) - 1);
        int n = atoi(text + strlen("value-"));
        if (n < first || n >= TOTAL || seen[n] || !matches(m, n)) {
            snprintf(err, sizeof(err), "not written so, or read twice: %s at offset %lld", text, (long long)m->offset);
            return err;
        }
        seen[n] = 1;
        count--;
        rd_kafka_message_destroy(m);
    }
    return NULL;
}

/* read_some reads as a member of a group, commits what was read, and leaves. */
static const char *read_some(const char *group, int count, char *seen) {
    rd_kafka_t *rk = consumer(group);
    subscribe(rk);
    const char *why = take(rk, count, seen, 0);
    rd_kafka_resp_err_t e = why ? 0 : rd_kafka_commit(rk, NULL, 0);
    leave(rk);
    return why ? why : e ? rd_kafka_err2str(e) : NULL;
}

static const char *consume(const char *group) {
    char seen[TOTAL] = {0}, all[256];
    snprintf(all, sizeof(all), "%s-all", group);
    return read_some(all, TOTAL, seen);
}

static const char *resume(const char *group) {
    char seen[TOTAL] = {0};
    const char *why = read_some(group, TOTAL / 3, seen);
    return why ? why : read_some(group, TOTAL - TOTAL / 3, seen);
}

static const char *seek(void) {
    char seen[TOTAL] = {0};
    rd_kafka_t *rk = consumer("by-time");
    rd_kafka_topic_partition_list_t *at = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(at, topic, p)->offset = time_of(TOTAL / 2);
    rd_kafka_resp_err_t e = rd_kafka_offsets_for_times(rk, at, WAIT_MS);
    if (e)
        return rd_kafka_err2str(e);
    rd_kafka_assign(rk, at);
    const char *why = take(rk, TOTAL - TOTAL / 2, seen, TOTAL / 2);
    leave(rk);
    return why;
}

static int listed(rd_kafka_t *rk) {
    const struct rd_kafka_metadata *all;
    int found = rd_kafka_metadata(rk, 1, NULL, &all, WAIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; !found && i < all->topic_cnt; i++)
        found = !strcmp(all->topics[i].topic, topic);
    return found;
}

static const char *delete(void) {
    rd_kafka_t *rk = producer("none");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *old = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_DeleteTopics(rk, &old, 1, NULL, queue);
    const char *why = topic_error(rd_kafka_queue_poll(queue, WAIT_MS));
    for (int i = 0; !why && listed(rk); i++) /* brokers hear of it one after the other */
        if (rd_kafka_poll(rk, 100), i > 100)
            why = "the topic is still listed";
    return why;
}

static void member(const char *group) {
    rd_kafka_t *rk = consumer(group);
    for (subscribe(rk);;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 1000);
        if (!m)
            continue;
        if (!m->err) {
            printf("got %.*s\n", (int)m->len, (const char *)m->payload);
            fflush(stdout); /* before the commit: what is committed must have been told */
            rd_kafka_resp_err_t e = rd_kafka_commit_message(rk, m, 0);
            if (e) /* a rebalance took the partition away: whoever gets it reads on from the last commit */
                fprintf(stderr, "commit: %s\n", rd_kafka_err2str(e));
        }
        rd_kafka_message_destroy(m);
    }
}

int main(int count, char **args) {
    if (count < 4)
        return 2;
    const char *verb = args[1];
    bootstrap = args[2], topic = args[3];
    if (!strcmp(verb, "write")) {
        printf("version %s\n", rd_kafka_version_str());
        done("create", "", create());
        for (int c = 0; c < CODECS; c++)
            done("produce ", codecs[c], produce(c));
    } else if (!strcmp(verb, "member")) {
        member(args[4]);
    } else if (!strcmp(verb, "transact")) {
        transact(args[4]);
    } else {
        done("consume", "", consume(args[4]));
        done("resume", "", resume(args[4]));
        done("seek", "", seek());
        done("delete", "", delete());
    }
    return 0;
}
