package rest

import (
	"net/http"
)

// POST …/records:batch takes entries with ids, and says which of them were written.

type batchRequest struct {
	Entries []entryJSON `json:"entries"`
}

type entryJSON struct {
	ID *string `json:"id"`
	record3JSON
}

const entryIDMax = 80

func (s *Server) produceBatch(c *call) (*answer, error) {
	_, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	p, err := producerOf(c.r.Header)
	if err != nil {
		return nil, err
	}
	var req batchRequest
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if err := s.checkEntries(c, req.Entries); err != nil {
		return nil, err
	}
	out := struct {
		Successes []reportJSON `json:"successes"`
		Failures  []reportJSON `json:"failures"`
	}{[]reportJSON{}, []reportJSON{}}
	add := func(id *string, r reportJSON) {
		r.ID = id
		if r.Code == http.StatusOK {
			out.Successes = append(out.Successes, r)
		} else {
			out.Failures = append(out.Failures, r)
		}
	}
	var messages []message
	var good []*entryJSON
	for i := range req.Entries {
		e := &req.Entries[i]
		m, err := e.message()
		if err == nil && m.partition != nil {
			_, err = s.within(c.ctx, t, *m.partition)
		}
		if err != nil {
			add(e.ID, refusal(err))
			continue
		}
		messages, good = append(messages, m), append(good, e)
	}
	if p != nil && len(good) < len(req.Entries) {
		return nil, failf(400, 400, "with %s all entries must be right, since their sequences follow each other", producerHeader)
	}
	if len(good) > 0 {
		ctx, cancel := c.produceContext(s)
		defer cancel()
		now := s.backend.Now()
		f, err := s.begin(ctx, t, messages, p)
		if err != nil {
			return nil, err
		}
		for i, w := range f.wait(ctx) {
			add(good[i].ID, s.report(t, &good[i].record3JSON, &messages[i], &w, now))
		}
	}
	return &answer{status: http.StatusMultiStatus, body: out}, nil
}

func (s *Server) checkEntries(c *call, entries []entryJSON) error {
	switch {
	case len(entries) == 0:
		return c.malformed("entries: there are none")
	case len(entries) > s.settings.BatchEntriesMax:
		return failf(413, 413, "entries: %d, at most %d", len(entries), s.settings.BatchEntriesMax)
	}
	seen := map[string]bool{}
	for i, e := range entries {
		switch {
		case e.ID == nil || *e.ID == "" || len(*e.ID) > entryIDMax:
			return c.malformed("entry %d: want an id of 1 to %d bytes", i, entryIDMax)
		case seen[*e.ID]:
			return c.malformed("entry %d: there is another one with id %q", i, *e.ID)
		}
		seen[*e.ID] = true
	}
	return nil
}
