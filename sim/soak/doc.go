// Package soak runs simulated histories for as long as it is let, goes on where it stopped, and adds up.
//
//	supervise ──► a process of its own ──► workers: the next seed of each workload ──► State, a file outside the tree
//	     └── takes it up again when it ends, and counts the seed it was at as wrong        └──► Report: docs/RELIABILITY.md
//
// A history that goes wrong stops nothing: it is recorded with its workload, seed and checker, and its transcript is written
// to a file beside the state. Those that an older commit found wrong are run again first when the code has moved on.
//
// Owns: totals and what was wrong. Does not own: histories and their judges (sim).
package soak
