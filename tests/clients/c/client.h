/* What the steps of transactions take from librdkafka.c. */
#include <librdkafka/rdkafka.h>

extern const char *bootstrap, *topic;

/* done tells how a step ended; the first that fails (why is not NULL) ends the program. */
void done(const char *step, const char *detail, const char *why);

/* conf takes pairs of names and values that end with NULL. */
rd_kafka_conf_t *conf(const char *const *pairs);

/* transact runs the steps of transactions. */
void transact(const char *group);
