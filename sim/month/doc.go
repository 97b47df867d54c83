// Package month is the evidence that retention holds out: weeks of traffic with all policies at once, what a GiB costs in its
// whole life, and every maintenance job killed at each of its steps.
//
// The tests put the shipped parts together over an etcd and a bucket in memory, in a testing/synctest bubble, where a month
// passes in minutes. Sizes are scaled down, and thresholds with them, so that everything happens often. A model of what was
// acknowledged says what readers must find, and what they must not.
//
// Owns: the workload, the model, what is measured, and the drawing of it (plot.go). Does not own: any behaviour under test.
package month
