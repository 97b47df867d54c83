package archive

import "container/list"

// memory forgets what was least recently used.
type memory struct {
	byKey      map[string]*list.Element // of remembered
	used       *list.List               // most recently used first
	bytes, max int64
}

type remembered struct {
	key   string
	value any
	bytes int64
}

const overhead = 256 // of one thing remembered: key, list, map

func newMemory(bytesMax int64) memory {
	return memory{byKey: map[string]*list.Element{}, used: list.New(), max: bytesMax}
}

func (m *memory) get(key string) (any, bool) {
	e := m.byKey[key]
	if e == nil {
		return nil, false
	}
	m.used.MoveToFront(e)
	return e.Value.(remembered).value, true
}

func (m *memory) add(key string, value any, bytes int64) {
	bytes += overhead
	if bytes > m.max || m.byKey[key] != nil {
		return
	}
	m.byKey[key] = m.used.PushFront(remembered{key, value, bytes})
	for m.bytes += bytes; m.bytes > m.max; {
		last := m.used.Remove(m.used.Back()).(remembered)
		delete(m.byKey, last.key)
		m.bytes -= last.bytes
	}
}
