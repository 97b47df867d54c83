// Package scale measures what one instance and etcd have to do in a cluster that is too large for one machine: the
// commits, ledger and heads are those of the shipped code, and the cluster around them is arithmetic.
//
// Owns: Cluster, and what follows from it. Does not own: what the figures mean (docs/decisions/scale.md).
package scale
