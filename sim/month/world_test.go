package month_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/upkeep"
)

// scale says how large a world is.
type scale struct {
	seed    uint64
	topics  int
	batches int           // a round
	round   time.Duration // between two rounds of traffic
	bytes   int64         // of a settled object
	records int           // of a batch, at most
}

// world is a cluster, its clients, and what they know.
type world struct {
	*coretest.Cluster
	scale
	t       *testing.T
	dice    *rand.Rand
	members []*member
	born    int // members ever
	topics  []*topicState
	slots   []*partition // each as often as its traffic weighs
	txns    []*client
	count   uint64 // of records ever sent
	tallies sync.Mutex
	done    tally
}

// tally says how often everything happened.
type tally struct {
	records, aborted, deletedTopics, deletedRecords, restarts, besides int
	jobs                                                               map[string]int
	in, out                                                            int64 // bytes of maintenance
}

// member is an instance with all maintenance jobs, as core/broker puts them together.
type member struct {
	*coretest.Instance
	w       *world
	settle  *settle.Settler
	retain  *retain.Retainer
	compact *compact.Compactor
	chill   *chill.Chiller
	keeper  *backup.Keeper
	admin   *topic.Admin
	dead    func() bool // it was killed
	doing   string      // what it did when it was killed
}

func newWorld(t *testing.T, s scale) *world {
	c := coretest.NewCluster(t)
	w := &world{Cluster: c, scale: s, t: t, dice: rand.New(rand.NewPCG(s.seed, 11)), done: tally{jobs: map[string]int{}}}
	for range 3 {
		w.members = append(w.members, w.member())
	}
	w.createTopics()
	return w
}

// member starts an instance.
func (w *world) member() *member {
	w.t.Helper()
	w.born++
	m := &member{w: w}
	m.Instance = w.Instance(fmt.Sprint("m", w.born), coretest.Options{MemoryMax: 1 << 30, CacheBytes: 8 << 20, Upkeep: func(s *upkeep.Settings) {
		s.CheckpointAge, s.Lag, s.SweepGrace = 0, time.Minute, 10*time.Minute
		s.Retained = func(ctx context.Context, refer referrer) error { return m.keeper.Retained(ctx, refer) }
		s.Outlived = func(ctx context.Context, since, floor mark) ([]string, error) {
			return m.keeper.Outlived(ctx, since, floor)
		}
	}}).Ready()
	m.build()
	return m
}

func (m *member) build() {
	w, log := m.w, coretest.Quiet()
	ss := settle.Settings{Store: m.Store, KV: m.KV, Keys: w.Keys, Stream: m.Stream, Now: m.Now, Log: log, Observe: func(r settle.Report) {
		m.did(r.Kind, r.BytesIn, r.BytesOut)
		if r.Damaged > 0 {
			w.t.Errorf("settling finds damage: %+v", r)
		}
	}}.Defaults()
	ss.Bytes, ss.FanIn, ss.SpansMax, ss.SpillObjects = w.bytes, 4, 12, 4
	ss.PieceBytes, ss.AheadBytes = max(w.bytes/16, 512), w.bytes
	m.settle = settle.New(ss)
	archived := archive.New(m.Store, 4<<20)
	amender := amend.New(m.Store, archived, m.Stream, m.KV, w.Keys)
	m.retain = retain.New(retain.Settings{KV: m.KV, Keys: w.Keys, Stream: m.Stream, Archive: archived, Amender: amender, Now: m.Now, Log: log}.Defaults())
	cs := compact.Settings{Store: m.Store, Stream: m.Stream, Archive: archived, Amender: amender, Now: m.Now, Log: log, Observe: func(r compact.Report) {
		m.did("compact", r.BytesIn, r.BytesOut)
	}}.Defaults()
	cs.Bytes, cs.PieceBytes, cs.DirtyMin, cs.KeysBytes = w.bytes, w.bytes/8, w.bytes/16, 24*256
	m.compact = compact.New(cs)
	hs := chill.Settings{Store: m.Store, Stream: m.Stream, Archive: archived, Amender: amender, Now: m.Now, Log: log, Elsewhere: true,
		Observe: func(_ int, bytes int64) { m.did("chill", bytes, bytes) }}.Defaults()
	hs.BytesMax = 4 * w.bytes
	m.chill = chill.New(hs)
	m.keeper = backup.New(backup.Settings{
		Store: m.Store, KV: m.KV, Cluster: "test", Now: m.Now, Entropy: rand.NewChaCha8([32]byte{byte(w.born), byte(w.born >> 8)}), Log: log, Holder: m.Name,
		JournalEvery: w.round, BackupEvery: time.Hour, Keep: 3, KeepFor: 24 * time.Hour, LeaseTTL: time.Minute,
	})
	m.admin = topic.New(m.KV, w.Keys, m.Stream, func() (id record.TopicID) {
		w.count++
		return record.TopicID{0: 0xbb, 1: byte(w.count >> 24), 2: byte(w.count >> 16), 3: byte(w.count >> 8), 4: byte(w.count), 6: 0x40, 8: 0x80, 15: 1}
	}, topic.DefaultSettings())
}

// did notes a job that ended.
func (m *member) did(kind string, in, out int64) {
	if m.dead != nil && m.dead() && m.doing == "" {
		m.doing = kind
	}
	m.w.tallies.Lock() // two instances may be at work
	defer m.w.tallies.Unlock()
	m.w.done.jobs[kind]++
	m.w.done.in, m.w.done.out = m.w.done.in+in, m.w.done.out+out
}

// any is some instance.
func (w *world) any() *member { return w.members[w.dice.IntN(len(w.members))] }

// do runs a step that must work.
func (w *world) do(name string, step func(context.Context) error) {
	w.t.Helper()
	if err := step(w.t.Context()); err != nil {
		w.t.Fatalf("%s after %v: %v", name, time.Since(w.Start), err)
	}
}

// replace stops an instance at once and starts another in its place.
func (w *world) replace(i int) {
	w.t.Helper()
	_ = w.members[i].Stop()
	w.members[i] = w.member()
	w.done.restarts++
}

// fsck reads everything.
func (w *world) fsck() *fsck.Report {
	w.t.Helper()
	r, err := fsck.New(fsck.Settings{Store: w.Disk, KV: w.Etcd, Cluster: "test", Now: time.Now, Log: coretest.Quiet(), Deep: true}).Check(w.t.Context())
	if err != nil {
		w.t.Fatalf("fsck: %v", err)
	}
	for _, f := range r.Findings {
		if f.Severity == fsck.Error {
			w.t.Errorf("fsck after %v: %s %s %s", time.Since(w.Start), f.Kind, f.Where, f.What)
		}
	}
	return r
}
