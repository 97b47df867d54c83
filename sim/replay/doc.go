// Package replay makes a simulated history repeat itself to the last call.
//
// All that a history draws comes from its seed; what is left to chance is the runtime: which ready case a select takes,
// the order of timers that are due at one instant, where the iteration of a map begins, and the scheduler's real clock.
// A program that is built with the tag replay over the files that sim/replay/overlay writes leaves none of it to chance:
// each bubble draws from a stream of its own, which Seed begins. In all other builds Seed does nothing, and the runtime
// draws as it likes, which is how most histories are run.
//
// Owns: the seed of a bubble's chances. Does not own: histories (sim), the changed runtime (sim/replay/overlay).
package replay
