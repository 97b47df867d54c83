package main

import "slices"

// What chance there is in the runtime, for a bubble on one processor, and where it is taken out:
//
//	select          the order in which ready cases are looked at: from a stream of the bubble
//	timers          their order at one instant: from another
//	iteration       where it begins in a map: the same all through an instant of the bubble's clock
//	rand            math/rand, maphash: from a stream that begins anew with each instant
//	hash keys       places of keys in maps, with the seeds of maps: constant
//	children        of a context are cancelled in the order they came, not of their addresses in a map
//	sysmon          takes the processor from who has had it for 10 ms, or is in a system call: not while there is a bubble
//	global queue    is looked at every 61st time: only when the local one is empty
//	mutexes         change hands otherwise for who has waited a real millisecond: the bubble's clock stands still meanwhile
//	collector       begins by the size of the heap, and lets allocations wait: by hand, every so many steps of the bubble's clock,
//	                when everybody in it sleeps. Before a bubble begins, one that is under way is brought to its end
//
// The order of goroutines in the local queue is then a function of the program alone: what runs beside the bubble's may stand
// between them, and never changes their order.
//
// What a program does once (the caches of encoding/json and the like) may draw as well. Streams that everything takes from
// would be another one behind it, and a history another one when it is the first of its process: so there is no such stream.

type edit struct {
	file, why string
	times     int // how often old is there
	old, new  string
}

func edits() []edit {
	return slices.Concat(chances(), clocks())
}

func chances() []edit {
	return []edit{
		{"runtime/rand.go", "rand", 1, "\tmp := getg().m\n\tc := &mp.chacha8\n",
			"\tmp := getg().m\n\tif gp := mp.curg; gp != nil && gp.bubble != nil {\n\t\treturn gp.bubble.replay.rand(gp.bubble.now)\n\t}\n\tc := &mp.chacha8\n"},
		{"runtime/select.go", "select", 1, "j := cheaprandn(uint32(norder + 1))", "j := replayBelow(uint32(norder + 1))"},
		{"runtime/time.go", "timers", 1, "t.rand = cheaprand()", "t.rand = uint32(bubbleOfTimer.replay.timers.next())"},
		{"runtime/time.go", "timers", 1, "\tvar ts *timers\n\tif t.isFake {\n\t\tbubble := getg().bubble\n", "\tvar ts *timers\n\tvar bubbleOfTimer *synctestBubble\n\tif t.isFake {\n\t\tbubble := getg().bubble\n\t\tbubbleOfTimer = bubble\n"},
		{"runtime/alg.go", "hash keys", 1, "hashkey[i] = uintptr(bootstrapRand())", "hashkey[i] = uintptr(replayKey(i))"},
		{"runtime/alg.go", "hash keys", 1, "key[i] = bootstrapRand()", "key[i] = replayKey(i)"},
		{"runtime/rand.go", "iteration", 1, "func maps_rand() uint64 {\n", "func maps_rand() uint64 {\n\tif bubble := getg().bubble; bubble != nil {\n\t\treturn bubble.replay.offset(bubble.now)\n\t}\n"},
		{"internal/runtime/maps/map.go", "hash keys", 4, "m.seed = uintptr(rand())", "m.seed = 0x9e3779b9"},
		{"internal/sync/hashtriemap.go", "hash keys", 1, "ht.seed = uintptr(runtime_rand())", "ht.seed = 0x9e3779b9"},
		{"unique/canonmap.go", "hash keys", 1, "cm.seed = uintptr(runtime_rand())", "cm.seed = 0x9e3779b9"},
		{"context/context.go", "children", 1, "import (\n\t\"errors\"\n", "import (\n\t\"errors\"\n\t\"slices\"\n"},
		{"context/context.go", "children", 1, "children map[canceler]struct{} // set", "born     uint64\n\tchildren map[canceler]uint64 // set"},
		{"context/context.go", "children", 1, "make(map[canceler]struct{})", "make(map[canceler]uint64)"},
		{"context/context.go", "children", 1, "p.children[child] = struct{}{}", "p.born++\n\t\t\tp.children[child] = p.born"},
		{"context/context.go", "children", 1, "\tfor child := range c.children {\n", "\tchildren := make([]canceler, 0, len(c.children))\n\tfor child := range c.children {\n\t\tchildren = append(children, child)\n\t}\n" +
			"\tslices.SortFunc(children, func(a, b canceler) int { return int(c.children[a]) - int(c.children[b]) })\n\tfor _, child := range children {\n"},
	}
}

func clocks() []edit {
	return []edit{
		{"runtime/proc.go", "sysmon", 1, "func retake(now int64) uint32 {\n\tn := 0\n", "func retake(now int64) uint32 {\n\tif replayHolds(now) {\n\t\treturn 0\n\t}\n\tn := 0\n"},
		{"runtime/proc.go", "global queue", 1, "if pp.schedtick%61 == 0 && !sched.runq.empty() {", "if pp.schedtick%61 == 0 && replayBubbles.Load() == 0 && !sched.runq.empty() {"},
		{"runtime/sema.go", "mutexes", 1, "func internal_sync_nanotime() int64 {\n", "func internal_sync_nanotime() int64 {\n\tif bubble := getg().bubble; bubble != nil {\n\t\treturn bubble.now\n\t}\n"},
		{"runtime/mgc.go", "collector", 1, "\tswitch t.kind {\n\tcase gcTriggerHeap:\n", "\tif t.kind != gcTriggerCycle && replayBubbles.Load() > 0 {\n\t\treturn false\n\t}\n\tswitch t.kind {\n\tcase gcTriggerHeap:\n"},
		{"runtime/synctest.go", "collector", 1, "\tgp.bubble = bubble\n\tdefer func() {\n\t\tgp.bubble = nil\n\t}()\n\n\t// This is newproc", "\treplayBegin()\n\tbubble.replay.begin(0)\n\tdefer replayBubbles.Add(-1)\n\tgp.bubble = bubble\n\tdefer func() {\n\t\tgp.bubble = nil\n\t}()\n\n\t// This is newproc"},
		{"runtime/synctest.go", "collector", 1, "\t\tbubble.now = next\n", "\t\tbubble.now = next\n\t\tif bubble.replay.step() {\n\t\t\tunlock(&bubble.mu)\n\t\t\tGC()\n\t\t\tlock(&bubble.mu)\n\t\t}\n"},
		{"runtime/synctest.go", "streams", 1, "type synctestBubble struct {\n", "type synctestBubble struct {\n\treplay  replayChances\n"},
	}
}

const streamFile = "runtime/replay.go"

// streamText is a file more of the runtime.
const streamText = `package runtime

import "internal/runtime/atomic"

// replayBubbles is how many bubbles there are.
var replayBubbles atomic.Int32

// replayBegun is when the last of them began, in real time.
var replayBegun atomic.Int64

// replayHoldsMax is how long a bubble may keep the processor to itself: who hangs in a loop is to be found by a time-out.
const replayHoldsMax = 600e9

// replayCollectEvery is how many steps of a bubble's clock lie between two collections.
const replayCollectEvery = 4096

// replayStream gives one number after the other.
type replayStream struct{ state uint64 }

//go:nosplit
func (s *replayStream) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// replayMix gives a number that follows from two.
//
//go:nosplit
func replayMix(a, b uint64) uint64 {
	s := replayStream{a * 0xff51afd7ed558ccd}
	s.state += s.next() ^ b
	return s.next()
}

// replayChances is all that is left to chance in a bubble.
type replayChances struct {
	seed                    uint64
	selects, timers, others replayStream
	instant                 int64 // that others began with
	steps                   uint64
}

func (c *replayChances) begin(seed uint64) {
	c.seed = seed
	c.selects.state, c.timers.state, c.instant = replayMix(seed, 1), replayMix(seed, 2), 0
}

//go:nosplit
func (c *replayChances) rand(now int64) uint64 {
	if now != c.instant {
		c.instant, c.others.state = now, replayMix(c.seed, uint64(now))
	}
	return c.others.next()
}

func (c *replayChances) offset(now int64) uint64 { return replayMix(c.seed+1, uint64(now)) }

// step says whether it is time to collect.
func (c *replayChances) step() bool {
	c.steps++
	return c.steps%replayCollectEvery == 0
}

func replayKey(i int) uint64 { return replayMix(uint64(i), 0) }

func replayBelow(n uint32) uint32 {
	if bubble := getg().bubble; bubble != nil {
		return uint32(bubble.replay.selects.next() >> 32 * uint64(n) >> 32)
	}
	return cheaprandn(n)
}

func replayHolds(now int64) bool {
	return replayBubbles.Load() > 0 && now-replayBegun.Load() < replayHoldsMax
}

// replayBegin is called before there is a bubble more.
func replayBegin() {
	replayBegun.Store(nanotime())
	replayBubbles.Add(1)
	GC()
}

// ReplaySeed begins the stream of the bubble that it is called in.
func ReplaySeed(seed uint64) {
	if bubble := getg().bubble; bubble != nil {
		bubble.replay.begin(seed)
	}
}
`
