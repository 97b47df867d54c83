package console

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/core/record"
)

// foundJSON is the answer to a search.
type foundJSON struct {
	Messages []message `json:"messages"`
	// After goes on where the search ended; Before goes further back ("": there is nothing before).
	After  string `json:"after"`
	Before string `json:"before"`
	AtEnd  bool   `json:"atEnd"` // all that was there has been looked at
	Read   any    `json:"read"`
	// Stopped is the limit that ended the search early: bytes, time, or nothing.
	Stopped    string       `json:"stopped"`
	Partitions []boundsJSON `json:"partitions"`
}

type boundsJSON struct {
	Partition int32         `json:"partition"`
	Start     record.Offset `json:"start"`
	End       record.Offset `json:"end"`
}

// message is a record as the page gets it.
type message struct {
	Partition int32         `json:"partition"`
	Offset    record.Offset `json:"offset"`
	Timestamp int64         `json:"timestamp"` // ms
	LogAppend bool          `json:"logAppend"` // the timestamp is the log's, not the producer's
	Codec     string        `json:"codec"`
	Key       *dataJSON     `json:"key"` // null: there is none
	Value     *dataJSON     `json:"value"`
	Headers   []headerJSON  `json:"headers"`
	More      int           `json:"moreHeaders,omitempty"` // that are not shown
}

// dataJSON is bytes, or the first of them.
type dataJSON struct {
	Size int    `json:"size"`
	Data []byte `json:"data"`
}

type headerJSON struct {
	Name  string    `json:"name"`
	Value *dataJSON `json:"value"`
}

// data copies the first bytes of a key or value, which belong to the batch.
func data(b []byte, most int) *dataJSON {
	if b == nil {
		return nil
	}
	return &dataJSON{len(b), append([]byte{}, b[:min(len(b), most)]...)}
}

func show1(partition int32, h record.Header, r record.Record, preview int) message {
	m := message{
		Partition: partition, Offset: h.OffsetOf(r), Timestamp: h.TimestampOf(r), LogAppend: h.IsLogAppendTime(), Codec: h.Codec().String(),
		Key: data(r.Key, preview), Value: data(r.Value, preview), Headers: []headerJSON{},
	}
	for i, one := range r.Headers {
		if i == headersMax {
			m.More = len(r.Headers) - i
			break
		}
		m.Headers = append(m.Headers, headerJSON{strings.ToValidUTF8(one.Key, "\uFFFD"), data(one.Value, min(preview, headerBytesMax))})
	}
	return m
}

// forwards reads from the places on, and gives what comes first by time.
func (q *search) forwards() (out foundJSON, err error) {
	parts, ends := make([][]message, len(q.places)), make([]record.Offset, len(q.places))
	for i, p := range q.places {
		ends[i], err = q.walk(p.tp, p.at, p.to, func(m message) bool {
			parts[i] = append(parts[i], m)
			return len(parts[i]) >= q.limit
		})
		if err != nil {
			return out, err
		}
		if full := parts[i]; len(full) >= q.limit { // a batch may hold more
			ends[i] = full[len(full)-1].Offset + 1
		}
	}
	out.Messages = byTime(parts, false, q.limit)
	out.AtEnd = true
	for i, p := range q.places {
		if len(parts[i]) > 0 { // left over: it comes first the next time
			ends[i] = parts[i][0].Offset
		}
		out.AtEnd = out.AtEnd && ends[i] >= p.to
	}
	out.After = q.cursorOf(ends)
	return out, nil
}

// newest reads the end of each place, further and further back until there is enough.
func (q *search) newest() (out foundJSON, err error) {
	parts, lows, ends := make([][]message, len(q.places)), make([]record.Offset, len(q.places)), make([]record.Offset, len(q.places))
	for i, p := range q.places {
		ends[i] = p.end
		if parts[i], lows[i], err = q.back(p); err != nil {
			return out, err
		}
	}
	had := make([]int, len(parts))
	for i := range parts {
		had[i] = len(parts[i])
	}
	out.Messages = byTime(parts, true, q.limit)
	out.AtEnd = true
	more := false
	for i := range q.places {
		if left := len(parts[i]); left > 0 {
			lows[i] = parts[i][left-1].Offset + 1
		}
		more = more || lows[i] > q.places[i].start
	}
	if more {
		out.Before = q.cursorOf(lows)
	}
	out.After = q.cursorOf(ends)
	return out, nil
}

// back gives the newest of a place that fit, in order, and the offset before which it has not looked.
func (q *search) back(p place) (found []message, low record.Offset, err error) {
	low = p.to
	deepest := max(p.start, p.to-searchOffsets)
	widest := record.Offset(max(1, windowBytes/max(1, p.each)))
	for window := min(record.Offset(q.limit), widest); low > deepest && len(found) < q.limit && !q.exhausted(); window = min(4*window, widest) {
		from := max(deepest, low-window)
		var here []message
		reached, err := q.walk(p.tp, from, low, func(m message) bool {
			here = append(here, m)
			if len(here) > 2*q.limit { // only the last of them count
				here = append([]message{}, here[len(here)-q.limit:]...)
			}
			return false
		})
		if err != nil {
			return nil, low, err
		}
		if reached < low { // a limit cut the window short: what lies behind it was not looked at
			return found, low, nil
		}
		found, low = append(here, found...), from
	}
	if extra := len(found) - q.limit; extra > 0 {
		found = found[extra:]
		low = found[0].Offset
	}
	return found, low, nil
}

func (q *search) cursorOf(offsets []record.Offset) string {
	var b bytes.Buffer
	for i, o := range offsets {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(q.places[i].tp.Partition)) + ":" + strconv.FormatInt(int64(o), 10))
	}
	return b.String()
}
