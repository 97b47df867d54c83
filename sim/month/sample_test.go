package month_test

import (
	"context"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
)

// amount is a number of things, and their bytes.
type amount struct {
	n     int
	bytes int64
}

// sample is what etcd and the bucket hold at a time.
type sample struct {
	at     time.Duration // since the start
	etcd   map[string]amount
	bucket map[string]amount
}

func total(of map[string]amount) (sum amount) {
	for _, a := range of {
		sum.n, sum.bytes = sum.n+a.n, sum.bytes+a.bytes
	}
	return sum
}

// prefixes are the kinds of objects, a longer one before what it lies in.
var prefixes = []string{ledger.SegmentPrefix, ledger.SharedPrefix, ledger.SettledPrefix, ledger.ColdPrefix, ledger.ManifestPrefix, backup.JournalPrefix, backup.RootPrefix}

// sample weighs everything.
func (w *world) sample() sample {
	w.t.Helper()
	s := sample{time.Since(w.Start), map[string]amount{}, nil}
	for _, it := range w.Items(w.Keys.Root()) {
		key := strings.TrimPrefix(it.Key, w.Keys.Root())
		family, rest, _ := strings.Cut(key, "/")
		if family == "log" {
			family, _, _ = strings.Cut(rest, "/")
		}
		a := s.etcd[family]
		s.etcd[family] = amount{a.n + 1, a.bytes + int64(len(it.Key)+len(it.Value))}
	}
	s.bucket = bucket(w.Cluster)
	return s
}

// bucket weighs the objects by prefix.
func bucket(c *coretest.Cluster) map[string]amount {
	out := map[string]amount{}
	for after := ""; ; {
		list, err := c.Disk.List(context.Background(), "", after, 1000)
		if err != nil {
			c.T.Fatal(err)
		}
		for _, o := range list {
			for _, prefix := range prefixes {
				if strings.HasPrefix(o.Key, prefix) {
					out[prefix] = amount{out[prefix].n + 1, out[prefix].bytes + o.Size}
					break
				}
			}
			after = o.Key
		}
		if len(list) < 1000 {
			return out
		}
	}
}

// peak is the largest of a part of all samples.
func peak(all []sample, from, to time.Duration, of func(*sample) int64) (most int64) {
	for i := range all {
		if all[i].at >= from && all[i].at < to {
			most = max(most, of(&all[i]))
		}
	}
	return most
}

func etcdBytes(s *sample) int64 { return total(s.etcd).bytes }
func etcdKeys(s *sample) int64  { return int64(total(s.etcd).n) }
