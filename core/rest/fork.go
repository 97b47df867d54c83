package rest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/firnlog/firnlog/core/fork"
)

// forkRequest is the body of a fork; at is a time as RFC 3339 has it, or ms since 1970.
type forkRequest struct {
	Name string          `json:"name"`
	At   json.RawMessage `json:"at"`
}

type forkJSON struct {
	Topic      string              `json:"topic"`
	ID         string              `json:"topic_id"`
	From       string              `json:"from"`
	Partitions []forkPartitionJSON `json:"partitions"`
	Objects    int64               `json:"objects"`
	Bytes      int64               `json:"bytes"`
	Gets       int                 `json:"gets"`
	BytesRead  int64               `json:"bytes_read"`
}

type forkPartitionJSON struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
	Aborted   int   `json:"aborted"`
}

// forkTopic makes a topic out of the one in the path: Kafka has no request for it.
func (s *Server) forkTopic(c *call) (*answer, error) {
	var req forkRequest
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if err := s.mayTopic(c, c.params["topic"]); err != nil {
		return nil, err
	}
	if err := s.mayCreate(c, req.Name); err != nil {
		return nil, err
	}
	at, err := c.time(req.At)
	if err != nil {
		return nil, err
	}
	if err := s.mayMutate(c.ctx); err != nil {
		return nil, err
	}
	made, err := s.backend.Forker.Fork(c.ctx, fork.Request{From: c.params["topic"], Name: req.Name, At: at})
	if err != nil {
		return nil, err
	}
	s.mutated(c.ctx, len(made.Partitions))
	out := forkJSON{made.Topic.Name, made.Topic.ID.String(), c.params["topic"], []forkPartitionJSON{}, made.Objects, made.Bytes, made.Gets, made.BytesRead}
	for _, p := range made.Partitions {
		out.Partitions = append(out.Partitions, forkPartitionJSON{p.Partition, int64(p.Start), int64(p.End), p.Aborted})
	}
	return &answer{status: 201, body: out}, nil
}

// time reads a JSON value: a text as RFC 3339 has it, or a number of ms; none is the zero time.
func (c *call) time(raw json.RawMessage) (time.Time, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, c.malformed("at must be a time like 2026-01-31T12:00:00Z, or a whole number of milliseconds")
}
