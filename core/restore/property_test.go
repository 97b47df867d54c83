package restore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// model is what clients were told.
type model struct {
	*world
	t         *testing.T
	dice      *rand.Rand
	instances []*coretest.Instance
	parts     []record.TopicPartition

	acked     map[record.TopicPartition]map[record.Offset]string
	journaled map[record.TopicPartition]map[record.Offset]string // of acked, those before the last journal object
	starts    map[record.TopicPartition]record.Offset
	startsAt  map[record.TopicPartition]record.Offset // as journaled
	others    map[string]string                       // as journaled
	sequences map[record.TopicPartition]int32
	who       txn.Identity
	sent      int32    // of the open transaction, at parts[0]
	pending   []string // its values
	committed map[string]bool
	kept      map[string]bool // committed, as journaled
	n         int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{world: newWorld(t), t: t, dice: rand.New(rand.NewPCG(seed, 1)), acked: map[record.TopicPartition]map[record.Offset]string{},
		starts: map[record.TopicPartition]record.Offset{}, sequences: map[record.TopicPartition]int32{}, committed: map[string]bool{}}
	m.up()
	topic := m.CreateTopic("t", 3)
	for i := range int32(3) {
		m.parts = append(m.parts, record.TopicPartition{Topic: topic, Partition: i})
		m.acked[m.parts[i]] = map[record.Offset]string{}
	}
	m.write()
	m.who = begin(t, m.instances[0], "x")
	return m
}

func (m *model) up() {
	m.instances = []*coretest.Instance{m.instance(fmt.Sprint("a", m.lives)), m.instance(fmt.Sprint("b", m.lives))}
}

// write journals all that was told so far.
func (m *model) write() {
	m.journal()
	m.journaled, m.startsAt, m.others, m.kept = map[record.TopicPartition]map[record.Offset]string{}, maps.Clone(m.starts), m.world.others(), maps.Clone(m.committed)
	for tp, acked := range m.acked {
		m.journaled[tp] = maps.Clone(acked)
	}
}

func (m *model) value() string { m.n++; return fmt.Sprint("v", m.n) }

func (m *model) step() {
	in := m.instances[m.dice.IntN(2)]
	tp := m.parts[m.dice.IntN(3)]
	in.Barrier()
	switch m.dice.IntN(13) {
	case 0, 1:
		v := m.value()
		m.acked[tp][in.MustProduce(coretest.Plain(tp, v))[0]] = v
	case 2, 3, 4:
		v := m.value()
		m.acked[tp][in.MustProduce(coretest.Idempotent(tp, 7, 0, m.sequences[tp], v))[0]] = v
		m.sequences[tp]++
	case 5:
		v := m.value()
		send(in, "x", m.who, m.parts[0], m.sent, v)
		m.sent++
		m.pending = append(m.pending, v)
	case 6:
		if m.sent > 0 {
			m.who = end(m.t, in, "x", m.who)
			for _, v := range m.pending {
				m.committed[v] = true
			}
			m.sent, m.pending = 0, nil
		}
	case 7:
		commitOffset(m.t, in, tp, record.Offset(m.dice.IntN(3)))
	case 8:
		if start, err := in.Upkeep.DeleteRecords(m.t.Context(), tp, m.starts[tp]); err == nil && len(m.acked[tp]) > 5 {
			m.starts[tp], err = in.Upkeep.DeleteRecords(m.t.Context(), tp, start+record.Offset(m.dice.IntN(3)))
			if err != nil {
				m.t.Fatal(err)
			}
		}
	case 9:
		m.maintain(in, in.Upkeep.Checkpoint, in.Upkeep.Trim)
	case 10:
		m.pass(in)
		m.maintain(in, in.Upkeep.Trim, in.Upkeep.Sweep)
	case 11:
		m.write()
	case 12:
		if m.dice.IntN(4) == 0 {
			time.Sleep(time.Second)
			m.backup()
			m.write() // a backup is as good as a journal object; one behind it makes it the last
		}
	}
}

// crash loses etcd, restores it, and holds what is there against what was told.
func (m *model) crash() {
	for _, in := range m.instances {
		in.Stop()
	}
	m.lose()
	report := m.restore()
	if report.Lossy() || report.Gap != "" || report.Refused != 0 {
		m.t.Fatalf("report: %+v", report)
	}
	m.wantOthers(m.others)
	m.up()
	m.starts = m.startsAt
	for _, tp := range m.parts {
		got := values(m.instances[1], tp, false)
		where := map[string]record.Offset{}
		for offset, v := range got {
			if _, twice := where[v]; twice {
				m.t.Errorf("partition %d has %s twice", tp.Partition, v)
			}
			where[v] = offset
		}
		for offset, v := range m.acked[tp] {
			at, there := where[v]
			if was, ok := m.journaled[tp][offset]; ok && was == v && offset >= m.starts[tp] && (!there || at != offset) {
				m.t.Errorf("partition %d: %s was acknowledged at %d and journaled; now it is at %d (%t)", tp.Partition, v, offset, at, there)
			} else if !ok && !there && offset >= m.starts[tp] {
				m.t.Errorf("partition %d: %s was acknowledged at %d and is nowhere", tp.Partition, v, offset)
			}
			delete(m.acked[tp], offset)
			if there {
				defer func() { m.acked[tp][at] = v }()
			}
		}
	}
	m.checkTransactions()
	m.committed = maps.Clone(m.kept)
	m.who, m.sent, m.pending = begin(m.t, m.instances[0], "x"), 0, nil
}

// checkTransactions: what was committed and journaled is read, and nothing else of any transaction.
func (m *model) checkTransactions() {
	plain := map[string]bool{}
	for _, v := range m.acked[m.parts[0]] {
		plain[v] = true
	}
	for offset, v := range values(m.instances[0], m.parts[0], true) {
		if m.committed[v] && !m.kept[v] {
			m.t.Errorf("%s at %d is of a transaction that ended after the last journal object", v, offset)
		}
	}
	got := map[string]bool{}
	for _, v := range values(m.instances[0], m.parts[0], true) {
		got[v] = true
	}
	if m.starts[m.parts[0]] > 0 {
		return // some of them were deleted
	}
	for v := range m.kept {
		if !got[v] {
			m.t.Errorf("%s was committed and journaled, and is not read", v)
		}
	}
}

// Random histories, etcd lost at random points, three times each: what was acknowledged and journaled is at its offset, what
// came after is there once, transactions are whole or gone, and clients go on.
func TestRestore_KeepsWhatClientsWereTold(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed)
				for range 3 {
					for range 10 + m.dice.IntN(60) {
						m.step()
					}
					m.crash()
					m.write()
				}
			})
		})
	}
}
