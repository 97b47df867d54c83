// Package ledger is the pure fold over the ordered stream of commits: it gives
// each batch its offset, and from them producers, heads, and the index of what
// is not settled yet.
//
//	etcd, below log/                        this package
//	  revision 41  commits/A created   ─►   fold run by run, batch by batch:
//	  revision 42  heads/T/0 changed          accepted at offset N
//	  revision 43  topics/x deleted           duplicate of offset N
//	  revision 44  commits/B created          refused (fenced, out of order, topic deleted)
//
// What must hold (DESIGN §3):
//   - I3: the state is a function of the stream alone. No clock, no map order.
//   - I5: a batch's outcome depends on its partition's state and later records
//     alone; so each head can have its own as-of.
//   - A head event replaces references (spans, manifest, log start), never folded state.
//
// Owns: the encodings of commits, heads, topics and the format record; the
// rules of idempotent producers; the state of every partition.
//
// Does not own: how the stream is read (core/stream), who writes what
// (core/ingest, core/upkeep), and bytes of record batches (core/record). It does
// no I/O; callers see to mutual exclusion.
package ledger
