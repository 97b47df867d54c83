// Package auth logs in with real clients: Apache Kafka's own tools (Java), librdkafka through kcat and Python, and franz-go, by each
// mechanism, against firnlog processes.
//
// Owns: certificates, tokens and settings of clients for that. Does not own: processes and tools (tests/stack/harness).
package auth
