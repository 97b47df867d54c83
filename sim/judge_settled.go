package sim

import (
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
)

// walked is a stretch of an object that the judge has looked at for a partition.
type walked struct {
	tp       record.TopicPartition
	id       ulid.ULID
	position int64
	base     record.Offset
}

// list takes a root or a page of a manifest apart as it lands.
func (j *Judge) list(key string, id ulid.ULID, body []byte) (err error) {
	if !strings.HasPrefix(key, ledger.ManifestPrefix) {
		return nil
	}
	if j.pages[id], err = manifest.DecodePage(body); err == nil {
		return nil
	}
	delete(j.pages, id)
	root, err := manifest.Decode(body)
	if err != nil {
		return err
	}
	j.roots[id] = root
	names := map[ulid.ULID]bool{}
	for i := range root.Pages {
		names[root.Pages[i].ID] = true
		for k := range j.pages[root.Pages[i].ID] {
			names[j.pages[root.Pages[i].ID][k].Segment] = true
		}
	}
	for i := range root.Entries {
		names[root.Entries[i].Segment] = true
	}
	j.listed[id] = names
	j.counts.Manifests++
	return nil
}

// lists says whether a partition's manifest is, or names, an object.
func (j *Judge) lists(p *ledger.Partition, id ulid.ULID) bool {
	m := p.Manifest()
	return m != nil && m.End > p.LogStart() && (m.ID == id || j.listed[m.ID][id])
}

// refers looks at what a head names: every object is there, references join without a gap from the log start on, and what is
// settled holds exactly the batches of its offsets, as they were sent.
func (j *Judge) refers(key string, tp record.TopicPartition, h *ledger.Head) {
	var spans []ledger.Span
	if m := h.Manifest; m != nil {
		root := j.roots[m.ID]
		if j.objects[m.ID] == nil || root == nil {
			j.bad("reference to a missing object", m.ID.String(), "head %s refers to it as its manifest", key)
			return
		}
		if m.End != root.End() || m.Base != root.Base() {
			j.bad("references cover all offsets", key, "manifest of %d to %d, the head says %d to %d", root.Base(), root.End(), m.Base, m.End)
		}
		for i := range root.Pages {
			for k := range j.pages[root.Pages[i].ID] {
				spans = append(spans, j.pages[root.Pages[i].ID][k].Span)
			}
		}
		for i := range root.Entries {
			spans = append(spans, root.Entries[i].Span)
		}
	}
	listed, now, p := len(spans), map[named]bool{}, j.log(tp)
	spans = append(spans, h.Spans...)
	at := h.LogStart
	for i := range spans {
		s := &spans[i]
		if s.End <= h.LogStart {
			continue
		}
		if s.Base > at || s.Base < at && at > h.LogStart {
			j.bad("references cover all offsets", key, "a reference begins at %d, the one before ends at %d (span %d, %d of them in the manifest)", s.Base, at, i, listed)
			return
		}
		at = s.End
		if s.Inline == nil {
			now[named{s.Segment, s.Position, s.Base}] = true
		}
		if s.Inline == nil && j.objects[s.Segment] == nil {
			j.bad("reference to a missing object", s.Segment.String(), "head %s refers to it", key)
			return
		}
		if s.Settled() {
			j.settled(tp, s)
		}
	}
	if at != max(h.Next, h.LogStart) {
		j.bad("references cover all offsets", key, "references end at %d, the next offset is %d", at, h.Next)
	}
	if policy := j.policies[tp.Topic]; policy != nil && policy.compacted {
		j.names(p, key, now)
	}
}

// settled looks once at the bytes of a reference.
func (j *Judge) settled(tp record.TopicPartition, s *ledger.Span) {
	seen := walked{tp, s.Segment, s.Position, s.Base}
	body := j.objects[s.Segment]
	if j.walked[seen] {
		return
	}
	j.walked[seen] = true
	j.counts.Settled++
	if err := j.walk(tp, s, body); err != nil {
		j.bad("settled bytes", s.Segment.String(), "offsets %d to %d of %v: %v", s.Base, s.End, tp, err)
	}
}

func (j *Judge) walk(tp record.TopicPartition, s *ledger.Span, body []byte) error {
	if s.Position+s.Length > int64(len(body)) {
		return fmt.Errorf("an object of %d bytes is too short", len(body))
	}
	if policy := j.policies[tp.Topic]; policy != nil && policy.compacted {
		return j.aged(j.log(tp), s, body)
	}
	at := s.Base
	for b, err := range record.Batches(body[s.Position : s.Position+s.Length]) {
		if err != nil {
			return err
		}
		h, err := record.Check(b)
		if err != nil {
			return err
		}
		if h.BaseOffset != at {
			return fmt.Errorf("a batch at %d, want %d", h.BaseOffset, at)
		}
		at = h.LastOffset() + 1
		if h.IsControl() {
			continue
		}
		sent := j.sent[h.FirstTimestamp]
		if sent == nil || sent.CRC != h.CRC || sent.Partition != tp || !sent.appended || sent.base != h.BaseOffset {
			return fmt.Errorf("the batch at %d is not as it was appended (uid %d)", h.BaseOffset, h.FirstTimestamp)
		}
	}
	if at != s.End {
		return fmt.Errorf("batches end at %d", at)
	}
	return nil
}

// Damaged is told of bytes that an instance could not read though a head names them.
func (j *Judge) Damaged(who string, r settle.Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad("settled bytes", "", "%s finds %d stretches damaged", who, r.Damaged)
}
