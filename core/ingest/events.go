package ingest

// Events are told of what happens on the write path, as it happens: they must not block. Each may be nil.
type Events struct {
	// Flushed is told of each commit that was confirmed.
	Flushed func(Flush)
	// Sealed is told of each segment, and why it was sealed then.
	Sealed func(SealReason)
	// Lost is told of each commit that was given up; unknown: it may be there all the same, now or later.
	Lost func(unknown bool)
	// Repeated is told of each try of a commit that is made again.
	Repeated func()
	// Renamed is told of segments that are put again, since the floor has passed their ids.
	Renamed func(segments int)
}

// SealReason says why a segment was sealed.
type SealReason string

// The reasons.
const (
	SealLinger SealReason = "linger" // its time was over
	SealFull   SealReason = "full"   // it, or its commit record, has its size
	SealStop   SealReason = "stop"   // the instance stops
)

func (e *Events) sealed(why SealReason) {
	if e.Sealed != nil {
		e.Sealed(why)
	}
}

func (e *Events) lost(unknown bool) {
	if e.Lost != nil {
		e.Lost(unknown)
	}
}

func (e *Events) repeated() {
	if e.Repeated != nil {
		e.Repeated()
	}
}

func (e *Events) renamed(segments int) {
	if e.Renamed != nil {
		e.Renamed(segments)
	}
}

// Held is how many bytes of batches are on their way.
func (g *Ingest) Held() int64 { return g.held.Load() }
