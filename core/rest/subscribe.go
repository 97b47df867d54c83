package rest

import (
	"slices"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/topic"
)

type subscriptionJSON struct {
	Topics  []string `json:"topics"`
	Pattern string   `json:"topic_pattern,omitempty"`
}

func (s *Server) subscribe(c *call) (*answer, error) {
	var req subscriptionJSON
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	switch {
	case len(req.Topics) > 0 && req.Pattern != "":
		return nil, failf(409, codeState, "subscribe to topics or to a pattern, not to both")
	case len(req.Topics) == 0 && req.Pattern == "":
		return nil, failf(422, 422, "topics or topic_pattern is missing")
	}
	for _, name := range req.Topics {
		if err := topic.CheckName(name); err != nil {
			return nil, failf(422, 422, "%s", err)
		}
		if err := s.mayTopic(c, name); err != nil {
			return nil, err
		}
	}
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		if con.Manual {
			return nil, failf(409, codeState, "the consumer has chosen its partitions by hand: DELETE its subscription first")
		}
		con.Names, con.Pattern = slices.Compact(slices.Sorted(slices.Values(req.Topics))), req.Pattern
		if err := con.Settle(c.ctx); err != nil { // it joins now, so that its first poll need not wait
			return nil, err
		}
		return done()
	})
}

func (s *Server) showSubscription(c *call) (*answer, error) {
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		out := subscriptionJSON{Topics: []string{}, Pattern: con.Pattern}
		for _, name := range con.Names {
			if s.showsTopic(c, name) {
				out.Topics = append(out.Topics, name)
			}
		}
		return ok(out)
	})
}

func (s *Server) unsubscribe(c *call) (*answer, error) {
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		if err := con.CommitMoved(c.ctx); err != nil {
			s.log.Info("positions are not committed", "group", con.Group(), "error", err)
		}
		if err := con.Leave(c.ctx); err != nil {
			return nil, err
		}
		con.Names, con.Pattern, con.Places, con.Manual = nil, "", nil, false
		return done()
	})
}

func (s *Server) deleteInstance(c *call) (*answer, error) {
	con, err := s.consumer(c)
	if err != nil {
		return nil, err
	}
	if err := con.CommitMoved(c.ctx); err != nil {
		s.log.Info("positions are not committed", "group", con.Group(), "error", err)
	}
	if err := con.Remove(c.ctx); err != nil {
		return nil, err
	}
	return done()
}

// places in requests and answers.
type placesJSON struct {
	Partitions []placeJSON `json:"partitions"`
}

type placeJSON struct {
	Topic     string `json:"topic"`
	Partition int64  `json:"partition"`
}

func (s *Server) assign(c *call) (*answer, error) {
	var req placesJSON
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	var places []consume.Place
	for _, p := range req.Partitions {
		t, tp, err := s.topicOf(c, p.Topic, p.Partition)
		if err != nil {
			return nil, err
		}
		places = append(places, consume.Place{Topic: t.Name, ID: tp.Topic, Partition: tp.Partition})
	}
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		if con.Subscribed() {
			return nil, failf(409, codeState, "the consumer is subscribed to topics: DELETE its subscription first")
		}
		if err := con.CommitMoved(c.ctx); err != nil {
			return nil, err
		}
		next := slices.Clone(places)
		if err := con.Begins(c.ctx, next); err != nil {
			return nil, err
		}
		con.Places, con.Manual = next, len(next) > 0
		return done()
	})
}

func (s *Server) showAssignments(c *call) (*answer, error) {
	return s.change(c, func(con *consume.Consumer) (*answer, error) {
		out := placesJSON{Partitions: []placeJSON{}}
		for _, p := range con.Places {
			if s.showsTopic(c, p.Topic) {
				out.Partitions = append(out.Partitions, placeJSON{p.Topic, int64(p.Partition)})
			}
		}
		return ok(out)
	})
}
