package group

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// subscription is what one member wants, by topics that are there.
type subscription struct {
	member string // its id
	order  string // by which members are sorted: instance id, else member id
	topics []Topic
}

// subscriptions resolves what members want. all are the topics that somebody wants, each once.
func (m *Machine) subscriptions(topics *Catalog) (each []subscription, all []Topic) {
	wanted := map[record.TopicID]bool{}
	matches := map[string][]Topic{} // by regex
	for _, id := range m.ids() {
		member := m.Members[id]
		s := subscription{member: id, order: "m" + id}
		if member.Instance != "" {
			s.order = "i" + member.Instance
		}
		mine := map[record.TopicID]bool{}
		take := func(t Topic) {
			if !mine[t.ID] {
				mine[t.ID] = true
				s.topics = append(s.topics, t)
			}
			if !wanted[t.ID] {
				wanted[t.ID] = true
				all = append(all, t)
			}
		}
		for _, name := range member.Names {
			if t, ok := topics.name(name); ok {
				take(t)
			}
		}
		if member.Regex != "" {
			if _, ok := matches[member.Regex]; !ok {
				matches[member.Regex] = topics.matching(member.Regex)
			}
			for _, t := range matches[member.Regex] {
				take(t)
			}
		}
		slices.SortFunc(s.topics, byID)
		each = append(each, s)
	}
	slices.SortFunc(all, byID)
	return each, all
}

func byID(a, b Topic) int { return slices.Compare(a.ID[:], b.ID[:]) }

// matching are the topics whose whole name a regular expression matches; none for one that is not valid.
func (c *Catalog) matching(text string) (out []Topic) {
	re, err := compileTopics(text)
	if err != nil {
		return nil
	}
	for _, t := range c.topics {
		if re.MatchString(t.Name) {
			out = append(out, t)
		}
	}
	return out
}

// compileTopics reads a regular expression of topic names in the syntax of RE2.
func compileTopics(text string) (*regexp.Regexp, error) {
	if len(text) > regexBytesMax {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalidRegex, len(text), regexBytesMax)
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRegex, err)
	}
	return re, nil
}

const regexBytesMax = 8 << 10
