// Package differential sends the same requests, in the same order, to firnlog and to another broker
// and compares the answers field by field, error codes included.
//
// A script (script*.go) is run once against each broker of a pair, in every version of every API
// that both serve. Each answer is flattened into fields (flatten.go); what must differ between any two
// clusters (ids, ports, clocks) is replaced by what it stands for (symbols.go). What differs still has to be in the
// table of differences (differences.go), with the reason; a row that nothing matches any more is an error too.
//
// Apache Kafka is the truth (make test-differential). kfake, which needs nothing but Go, runs in
// make test; where it is not Kafka, its own table says so.
//
// Owns: the script, the comparison, the tables, and the section of docs/SUPPORTED.md that shows them.
// Does not own: how the brokers are started, nor what real clients make of the answers.
package differential
