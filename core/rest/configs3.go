package rest

import (
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/topic"
)

type configJSON struct {
	Kind      string        `json:"kind"`
	Metadata  metadataJSON  `json:"metadata"`
	Cluster   string        `json:"cluster_id"`
	Topic     string        `json:"topic_name"`
	Name      string        `json:"name"`
	Value     string        `json:"value"`
	Default   bool          `json:"is_default"`
	ReadOnly  bool          `json:"is_read_only"`
	Sensitive bool          `json:"is_sensitive"`
	Source    string        `json:"source"`
	Synonyms  []synonymJSON `json:"synonyms"`
}

type synonymJSON struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

const (
	sourceTopic   = "DYNAMIC_TOPIC_CONFIG"
	sourceDefault = "DEFAULT_CONFIG"
)

func (s *Server) configOf(l link, t *ledger.Topic, def topic.Config) configJSON {
	value, from := topic.Effective(t, def)
	l = l.to("topics", "topic", t.Name).to("configs", "config", def.Name)
	out := configJSON{
		Kind: "KafkaTopicConfig", Metadata: l.metadata(), Cluster: s.backend.Topics.ClusterID(), Topic: t.Name, Name: def.Name, Value: value,
		Default: from == topic.FromDefault, Source: sourceDefault, Synonyms: []synonymJSON{},
	}
	if from == topic.FromTopic {
		out.Source = sourceTopic
		out.Synonyms = append(out.Synonyms, synonymJSON{def.Name, value, sourceTopic})
	}
	out.Synonyms = append(out.Synonyms, synonymJSON{def.Synonym, def.Default, sourceDefault})
	return out
}

func (s *Server) listConfigs(c *call) (*answer, error) {
	l, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	var out []configJSON
	for _, def := range topic.Table() {
		out = append(out, s.configOf(l, t, def))
	}
	return listOf("KafkaTopicConfigList", l.to("topics", "topic", t.Name).to("configs", "", ""), out)
}

// config is the topic and the config of the path.
func (s *Server) config(c *call) (link, *ledger.Topic, topic.Config, error) {
	l, t, err := s.topic3(c)
	if err != nil {
		return l, nil, topic.Config{}, err
	}
	def, has := topic.Lookup(c.params["name"])
	if !has {
		return l, nil, def, fmt.Errorf("%w: %q", errNoConfig, cut(c.params["name"]))
	}
	return l, t, def, nil
}

func (s *Server) showConfig(c *call) (*answer, error) {
	l, t, def, err := s.config(c)
	if err != nil {
		return nil, err
	}
	return ok(s.configOf(l, t, def))
}

func (s *Server) setConfig(c *call) (*answer, error) {
	_, t, def, err := s.config(c)
	if err != nil {
		return nil, err
	}
	var req struct {
		Value *string `json:"value"`
	}
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	change := topic.Change{Key: def.Name, Op: topic.Unset} // null: back to the default
	if req.Value != nil {
		change.Op, change.Value = topic.Set, *req.Value
	}
	return s.setConfigs(c, t, []topic.Change{change}, false)
}

func (s *Server) unsetConfig(c *call) (*answer, error) {
	_, t, def, err := s.config(c)
	if err != nil {
		return nil, err
	}
	return s.setConfigs(c, t, []topic.Change{{Key: def.Name, Op: topic.Unset}}, false)
}

func (s *Server) setConfigs(c *call, t *ledger.Topic, changes []topic.Change, validateOnly bool) (*answer, error) {
	if _, err := s.backend.Admin.SetConfigs(c.ctx, t.Name, changes, false, validateOnly); err != nil {
		return nil, err
	}
	return done()
}

// alterConfigs changes several configs, all or none.
func (s *Server) alterConfigs(c *call) (*answer, error) {
	_, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	var req struct {
		Data []struct {
			configPair
			Operation string `json:"operation"`
		} `json:"data"`
		ValidateOnly bool `json:"validate_only"`
	}
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if len(req.Data) == 0 {
		return nil, c.malformed("data: there are no changes")
	}
	var changes []topic.Change
	seen := map[string]bool{}
	for _, d := range req.Data {
		change := topic.Change{Key: d.Name}
		if seen[d.Name] {
			return nil, fmt.Errorf("%w: %s is changed twice", topic.ErrInvalidConfig, d.Name)
		}
		seen[d.Name] = true
		switch {
		case d.Operation == "DELETE", d.Operation == "" && d.Value == nil:
			change.Op = topic.Unset
		case (d.Operation == "" || d.Operation == "SET") && d.Value != nil:
			change.Op, change.Value = topic.Set, *d.Value
		default:
			return nil, c.malformed("%s: operation %q: want SET with a value, or DELETE", d.Name, cut(d.Operation))
		}
		changes = append(changes, change)
	}
	return s.setConfigs(c, t, changes, req.ValidateOnly)
}
