package objectstore

import (
	"math/bits"
	"slices"
	"strings"
	"time"
)

// class is a kind of GETs that take about the same time: one folder's, which has one kind of objects in one kind of store, and of
// one size within a factor of four.
type class struct {
	folder string // of the key, up to its first slash
	size   int    // bits of the length asked for, in steps of two; whole: up to the end, as long as that may be
}

const (
	whole        = -1
	smallBits    = 16 // shorter than 64 KiB: the bytes take no time beside the request
	classesMax   = 64 // folders are few; whoever makes many is not hedged
	hedgeLearned = 32 // GETs of a class that must have been seen
	usualKept    = 256
	usualEvery   = 16 // GETs between two looks at them
)

func classOf(key string, offset, length int64) class {
	folder, _, _ := strings.Cut(key, "/")
	if offset < 0 && length < 0 {
		length = -offset
	}
	if length < 0 {
		return class{folder, whole}
	}
	return class{folder, bits.Len64(uint64(length)>>smallBits) / 2}
}

// usual is what the last GETs of a class took.
type usual struct {
	took     [usualKept]time.Duration // a ring
	seen     int
	patience time.Duration // 0: not known yet
}

// add takes one more. The older ones are forgotten, so that a store that has become slower is soon taken as it is.
func (u *usual) add(took time.Duration) {
	u.took[u.seen%usualKept] = took
	if u.seen++; u.seen < hedgeLearned || u.seen%usualEvery != 0 {
		return
	}
	sorted := slices.Clone(u.took[:min(u.seen, usualKept)])
	slices.Sort(sorted)
	n := len(sorted)
	// An eighth more than the percentile: else the 5 % that are slower use up the credit, and none is left for the slowest.
	u.patience = max(hedgeMin, sorted[n*95/100]*9/8, 2*sorted[n/2])
}
