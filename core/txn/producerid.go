// Package txn coordinates transactions (coordinator.go has the flow) and hands out producer ids.
//
// Owns: transactions/<id>, producers/next and the block that this instance took from it. Does not
// own: what a partition knows of a producer, or what a marker does there (core/ledger); offsets of groups
// (core/group), whose part of a transaction's end it is given.
package txn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// blockSize is how many ids an instance takes at a time: one etcd transaction per so many producers.
const blockSize = 1000

// Formats says what format the log has.
type Formats interface {
	// FormatValue is the value of log/format, nil before the log was read.
	FormatValue() []byte
}

// ProducerIDs hands out ids that no other instance hands out.
type ProducerIDs struct {
	kv   coordination.KV
	keys coordination.Keys
	view Formats
	take chan struct{} // holds one token: who has it may take a block
	mu   struct {
		sync.Mutex
		next, end record.ProducerID
	}
}

// NewProducerIDs makes a ProducerIDs.
func NewProducerIDs(kv coordination.KV, keys coordination.Keys, view Formats) *ProducerIDs {
	p := &ProducerIDs{kv: kv, keys: keys, view: view, take: make(chan struct{}, 1)}
	p.take <- struct{}{}
	return p
}

// NextProducerID gives an id that was never given before.
func (p *ProducerIDs) NextProducerID(ctx context.Context) (record.ProducerID, error) {
	for {
		if id, ok := p.fromBlock(); ok {
			return id, nil
		}
		select {
		case <-ctx.Done():
			return record.NoProducer, ctx.Err()
		case <-p.take:
		}
		var err error
		if !p.hasBlock() {
			err = p.takeBlock(ctx)
		}
		p.take <- struct{}{}
		if err != nil {
			return record.NoProducer, fmt.Errorf("take producer ids: %w", err)
		}
	}
}

func (p *ProducerIDs) fromBlock() (record.ProducerID, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.next >= p.mu.end {
		return 0, false
	}
	p.mu.next++
	return p.mu.next - 1, true
}

func (p *ProducerIDs) hasBlock() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.next < p.mu.end
}

// takeBlock moves producers/next on. After an unknown outcome the block is simply lost: read again, take the next.
func (p *ProducerIDs) takeBlock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	key := p.keys.ProducersNext()
	for {
		format := p.view.FormatValue() // before it is read: in an etcd rebuilt meanwhile the same revision is another value
		snap, err := p.kv.Get(ctx, key)
		if err != nil {
			return err
		}
		next := int64(0)
		if it := snap.Items[0]; it.Create != 0 {
			if next, err = strconv.ParseInt(string(it.Value), 10, 64); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		end := next + blockSize
		guards := []coordination.Guard{coordination.ModIs(key, snap.Items[0].Mod), coordination.ValueIs(p.keys.Format(), format)}
		res, err := p.kv.Commit(ctx, guards, []coordination.Change{coordination.PutKey(key, strconv.AppendInt(nil, end, 10))})
		switch {
		case err != nil && !errors.Is(err, coordination.ErrUnknown):
			return err
		case err == nil && res.Committed:
			p.mu.Lock()
			p.mu.next, p.mu.end = record.ProducerID(next), record.ProducerID(end)
			p.mu.Unlock()
			return nil
		}
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
