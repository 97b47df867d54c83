package sim

import "time"

// Settings of one history. Draw makes them from the seed; a test may tune them.
type Settings struct {
	Instances int
	Chaos     time.Duration // how long faults go on
	Stretch   float64       // of all intervals but linger, latencies and time-outs of calls

	Linger         time.Duration
	SegmentBytes   int64
	UploadsMax     int
	CacheBytes     int64
	PageMax        int   // keys a page at bootstrap
	MemoryMax      int64 // bytes of batches on their way
	StampEvery     time.Duration
	Lag            time.Duration
	CheckpointAge  time.Duration
	TrimEvery      time.Duration
	SweepEvery     time.Duration
	SweepGrace     time.Duration
	ProducerExpiry time.Duration
	SettleEvery    time.Duration
	SettleAge      time.Duration
	SettleBytes    int64
	Settlers       int // so many of the instances settle

	// SkewFirst is the clock of the last instance, and SkewStep how much further it may be after each restart.
	SkewFirst, SkewStep time.Duration

	Plain, Idempotent, Consumers int
	Transactional                int           // clients; several share a transactional id
	TransactionMax               time.Duration // their time-out
	Think                        time.Duration // of a client between two batches, on average
	Queue                        QueueSettings
	Corrupt                      float64 // of a batch of a plain client: its bytes were damaged on their way
	Upgrade                      bool    // in the end somebody writes a record of a version that nobody knows

	ChaosEvery time.Duration // between two of: pause, kill, cut, compaction, outage, storm, clock jump
	PauseMax   time.Duration
	Faults     Faults

	Aging Aging

	// Blind turns checkers off, to see what else would notice.
	Blind []string
	// lie, if not nil, may tell the judge of an acknowledged batch what is not so: a failure for tests.
	lie func(*Judge, *batch)
}

// Faults are probabilities of one call each.
type Faults struct {
	CommitRefused, CommitLost, CommitAnswerLost, CommitLate float64
	LateMax                                                 time.Duration
	ReadFails                                               float64
	Slow                                                    float64
	PutRefused, PutAnswerLost, PutLate                      float64
	ListLags                                                float64
	WatchBreaks, ProgressDropped                            float64
	PauseAfter                                              float64 // the instance stops right behind a call that took effect
	KillAfter                                               float64 // or is killed there
	PutStuck                                                float64 // no answer, until who asked gives up
}

// Draw gives the settings of a seed.
func Draw(seed uint64) Settings {
	d := throw(seed, "settings", 0, 0, "")
	ms := time.Millisecond
	s := Settings{
		Instances: 3 + d.below(2), Chaos: d.between(35*time.Second, 75*time.Second),
		Linger: d.between(5*ms, 80*ms), SegmentBytes: int64(400 + d.below(4000)), UploadsMax: 1 + d.below(4),
		CacheBytes: []int64{10, 5000, 200_000}[d.below(3)], PageMax: 3 + d.below(60),
		StampEvery: d.between(200*ms, 600*ms), Lag: d.between(1500*ms, 4*time.Second), CheckpointAge: d.between(200*ms, 900*ms),
		TrimEvery: d.between(200*ms, 600*ms), SweepEvery: d.between(300*ms, 2*time.Second), SweepGrace: d.between(0, 1500*ms),
		ProducerExpiry: d.between(22*time.Second, 28*time.Second),
		Plain:          2, Idempotent: 3 + d.below(3), Consumers: 1 + d.below(4), Think: d.between(40*ms, 250*ms),
		ChaosEvery: d.between(600*ms, 3*time.Second), PauseMax: 7 * time.Second,
		Faults: Faults{
			CommitRefused: .01, CommitLost: .02, CommitAnswerLost: .02, CommitLate: .015, LateMax: 6 * time.Second,
			ReadFails: .01, Slow: .02, PutRefused: .02, PutAnswerLost: .015, PutLate: .015, ListLags: .2,
			WatchBreaks: .004, ProgressDropped: .2, PauseAfter: .001, KillAfter: .0001, PutStuck: .003,
		},
	}
	if s.SweepGrace < 400*ms {
		s.SweepGrace = 0
	}
	s.Faults.scale([]float64{0, 1, 1, 2, 4}[d.below(5)])
	dt := throw(seed, "transactions", 0, 0, "")
	s.Transactional, s.TransactionMax = 1+dt.below(3), dt.between(4*time.Second, 12*time.Second)
	ds := throw(seed, "settling", 0, 0, "")
	s.SettleEvery, s.SettleAge, s.SettleBytes = ds.between(300*ms, 2*time.Second), ds.between(2*time.Second, 20*time.Second), int64(1000+ds.below(8000))
	s.Settlers = []int{1, 1, s.Instances}[ds.below(3)]
	switch d.below(3) {
	case 0:
		s.SkewFirst = -d.between(time.Minute, 15*time.Minute)
	case 1:
		s.SkewFirst = d.between(time.Minute, 15*time.Minute)
	case 2:
		s.SkewFirst, s.SkewStep = time.Minute, 20*time.Minute
	}
	dm := throw(seed, "memory", 0, 0, "")
	s.MemoryMax = []int64{1 << 20, 1 << 20, int64(1000 + dm.below(2000))}[dm.below(3)]
	s.Corrupt, s.Upgrade = .03, dm.chance(.1)
	s.Aging = drawAging(seed)
	if dj := throw(seed, "jumps", 0, 0, ""); dj.chance(.05) {
		s.ProducerExpiry = 30 * time.Minute // so that clocks may jump by twenty (weather.go)
	}
	s.stretch(drawStretch(seed))
	return s
}

// scale makes all faults of single calls rarer or more frequent.
func (f *Faults) scale(by float64) {
	for _, p := range f.each() {
		*p *= by
	}
}

// faultNames are those of each.
var faultNames = [...]string{
	"commits refused", "commits lost", "answers of commits lost", "commits late", "reads that fail", "slow calls", "puts refused", "answers of puts lost",
	"puts late", "puts stuck", "watches that break", "pauses behind calls", "kills behind calls",
}

// each fault of single calls.
func (f *Faults) each() [len(faultNames)]*float64 {
	return [...]*float64{
		&f.CommitRefused, &f.CommitLost, &f.CommitAnswerLost, &f.CommitLate, &f.ReadFails, &f.Slow, &f.PutRefused, &f.PutAnswerLost,
		&f.PutLate, &f.PutStuck, &f.WatchBreaks, &f.PauseAfter, &f.KillAfter,
	}
}
