// Package faults runs the workload of queues (sim/queues) over real processes while things break: three brokers, a MinIO and
// an etcd of three members, with clients of franz-go, librdkafka and Java that send plainly, idempotently and in
// transactions, transform what they read, and read with both isolations.
//
//	stage      the processes, and a link of its own from each broker to MinIO and to each member of etcd
//	clients    everything that they did and were told goes into one history; in the end all is read back, and judged
//	nemesis    one episode at a time: a fault, its end, and the time until everybody gets on again
//
// Owns: the stage, the faults and the clients. Does not own: the processes (tests/stack/harness) nor the judgement
// (sim/queues).
package faults
