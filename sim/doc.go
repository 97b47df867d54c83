// Package sim runs several instances of the shipped code in one process, over the
// model of etcd and the object store in memory, with faults, in fake time, and
// judges what they do.
//
//	clients, admins, chaos ──► instances (stream, ingest, fetch, upkeep, topic, txn; each with its own clock)
//	                                │ every call travels for a time of its own, and may be refused, lost,
//	                                │ answered never, or done seconds later (call, kv, store)
//	                                ▼
//	                     KV and object store in memory ──► Judge: sees every revision and every object
//
// A history is its seed: latencies, faults and what clients do are drawn from the
// seed and the name of what is decided (dice), never from a stream that goroutines share. No two
// effects fall on the same nanosecond, so it does not matter which
// goroutine runs first, most of the time; built for replay (sim/replay) a seed gives one transcript always, which the
// meta-test holds it to.
// All that waits for one event goes on at one instant: what does so here (gate, knows, consumer)
// takes a moment of its own before it acts.
//
// Every rule of the protocol (core/rule) can be switched off in a build with the tag ablate; the
// judge must then find a violation.
//
// Owns: the world, its faults, its clients and its checkers. Does not own: anything
// that ships.
package sim
