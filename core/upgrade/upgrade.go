// Package upgrade raises the version of records under log/ that is in force in a cluster.
//
// It is one transaction that changes log/format, and nothing else, in the same era. Every instance meets it in its stream, and every
// transaction of theirs compares the key by value; so no record of the old version is written behind it:
//
//	an instance that knows the new version   reads the log anew and goes on; what it had on its way is refused, and its clients send
//	                                         it again
//	an older one                             stops serving, with ledger.ErrFormat
//
// There is no way back: records of the new version may be there from then on. Functions are not known to etcd; they are to be replaced
// before.
//
// Owns: the change, and the question who would be left behind. Does not own: what versions mean (core/ledger).
package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
)

// Errors. After either of them nothing was changed.
var (
	// ErrBehind: instances run that do not know the new version.
	ErrBehind = errors.New("instances run that do not know the new format")
	// ErrLower: a version is never lowered.
	ErrLower = errors.New("the format in force is newer: it is never lowered")
	// ErrMoved: somebody else changed it at the same time.
	ErrMoved = errors.New("the format was changed by somebody else meanwhile: look again")
)

// Plan is what a raise would do.
type Plan struct {
	Cluster string          `json:"cluster"`
	Force   int             `json:"inForce"`
	To      int             `json:"to"`
	Live    []instance.Info `json:"-"`
	// Behind are live instances that would stop.
	Behind []string `json:"behind,omitempty"`
	value  []byte
}

// Look reads what is in force and who lives.
func Look(ctx context.Context, kv coordination.KV, cluster string, to int) (*Plan, error) {
	keys := coordination.NewKeys(cluster)
	snap, err := kv.Get(ctx, keys.Format())
	if err != nil {
		return nil, fmt.Errorf("read log/format: %w", err)
	}
	if snap.Items[0].Create == 0 {
		return nil, fmt.Errorf("cluster %q: %w", cluster, ledger.ErrNoCluster)
	}
	f, err := ledger.DecodeFormat(snap.Items[0].Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLower, err)
	}
	p := &Plan{Cluster: cluster, Force: f.Version, To: to, value: snap.Items[0].Value}
	page, err := kv.List(ctx, coordination.Range{Prefix: keys.Instances()})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	for _, item := range page.Items {
		node, ok := keys.ParseInstance(item.Key)
		if !ok {
			continue
		}
		in := instance.Info{}
		if err := json.Unmarshal(item.Value, &in); err != nil {
			return nil, fmt.Errorf("read %s: %w", item.Key, err)
		}
		in.Node = node
		if p.Live = append(p.Live, in); max(in.FormatNewest, ledger.FormatOldest) < to {
			at := in.Endpoint("")
			p.Behind = append(p.Behind, fmt.Sprintf("node %d (%s:%d, %s)", node, at.Host, at.Port, in.Version))
		}
	}
	return p, nil
}

// Raise puts the plan into force. Instances that are behind stop, so that there must be none, unless leave says that they may.
func (p *Plan) Raise(ctx context.Context, kv coordination.KV, leave bool) error {
	switch {
	case p.To < p.Force, p.To > ledger.FormatVersion:
		return fmt.Errorf("from %d to %d: %w", p.Force, p.To, ErrLower)
	case p.To == p.Force:
		return nil
	case len(p.Behind) > 0 && !leave:
		return fmt.Errorf("%w: %v", ErrBehind, p.Behind)
	}
	f, err := ledger.DecodeFormat(p.value)
	if err != nil {
		return err
	}
	f.Version = p.To
	key := coordination.NewKeys(p.Cluster).Format()
	res, err := kv.Commit(ctx, []coordination.Guard{coordination.ValueIs(key, p.value)}, []coordination.Change{coordination.PutKey(key, f.Encode())})
	switch {
	case err != nil:
		return fmt.Errorf("raise log/format to %d: %w", p.To, err)
	case !res.Committed:
		return ErrMoved
	}
	return nil
}
