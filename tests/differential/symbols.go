package differential

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// symbols replace what differs between any two clusters by what it stands for.
type symbols struct {
	start   time.Time
	node    int32                        // the only broker; math.MinInt32 until known
	names   map[[16]byte]string          // topic id → its topic
	ids     map[[16]byte]string          // topic id → "id of t", "second id of t"
	current map[string][16]byte          // topic name → its newest id
	drawn   map[string]int               // topic name → how many ids it has had
	opaque  map[string]map[string]string // kind → value → symbol
}

func newSymbols(start time.Time) *symbols {
	return &symbols{
		start: start, node: math.MinInt32, names: map[[16]byte]string{}, ids: map[[16]byte]string{}, current: map[string][16]byte{}, drawn: map[string]int{},
		opaque: map[string]map[string]string{},
	}
}

// learn takes from a response which id belongs to which topic, and who the broker is.
func (y *symbols) learn(resp kmsg.Response) {
	if m, ok := resp.(*kmsg.MetadataResponse); ok && len(m.Brokers) > 0 {
		y.node = m.Brokers[0].NodeID
	}
	y.learnIDs(reflect.ValueOf(resp))
}

func (y *symbols) learnIDs(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			y.learnIDs(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		for i := range v.Len() {
			y.learnIDs(v.Index(i))
		}
	case reflect.Struct:
		y.learnPair(topicName(v), v.FieldByName("TopicID"))
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				y.learnIDs(v.Field(i))
			}
		}
	}
}

func (y *symbols) learnPair(name string, field reflect.Value) {
	if name == "" || !field.IsValid() {
		return
	}
	id, ok := field.Interface().([16]byte)
	if !ok || id == ([16]byte{}) || y.ids[id] != "" {
		return
	}
	y.drawn[name]++
	y.ids[id] = fmt.Sprintf("id %d of %s", y.drawn[name], name)
	y.current[name], y.names[id] = id, name
}

// topicName reads a field Topic or TopicName, string or pointer to one.
func topicName(v reflect.Value) string {
	for _, field := range []string{"Topic", "TopicName"} {
		f := v.FieldByName(field)
		if !f.IsValid() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		}
		if f.Kind() == reflect.String {
			return f.String()
		}
	}
	return ""
}

// idOf gives the newest id of a topic; one that was never seen has an id that no broker knows.
func (y *symbols) idOf(name string) [16]byte {
	if id, ok := y.current[name]; ok {
		return id
	}
	return noSuchID
}

var noSuchID = [16]byte{0: 1, 6: 0x40, 8: 0x80, 15: 1}

// id is a topic id as a symbol.
func (y *symbols) id(id [16]byte) string {
	switch {
	case id == [16]byte{}:
		return "no id"
	case id == noSuchID:
		return "unknown id"
	case y.ids[id] != "":
		return y.ids[id]
	}
	return fmt.Sprintf("unknown id %x", id)
}

// named gives the n-th value of a kind that was seen the name "kind n".
func (y *symbols) named(kind, value string) string {
	m := y.opaque[kind]
	if m == nil {
		m = map[string]string{}
		y.opaque[kind] = m
	}
	if m[value] == "" {
		m[value] = fmt.Sprintf("%s %d", kind, len(m)+1)
	}
	return m[value]
}

// member names the id of a member of a group in the order in which they were seen; "" and what is too short to be
// drawn by a broker stay.
func (y *symbols) member(id string) string {
	if len(id) < 22 {
		return fmt.Sprintf("%q", id)
	}
	return y.named("member", id)
}

// producer names a producer id that the script has drawn.
func (y *symbols) producer(id int64) string {
	if name := y.opaque["producer"][fmt.Sprint(id)]; name != "" {
		return name
	}
	return "another producer"
}

// moment is "now" for what a broker's clock gave during the run, and the number itself otherwise.
func (y *symbols) moment(ms int64) string {
	if d := ms - y.start.UnixMilli(); d > -60_000 && d < 15*60_000 {
		return "now"
	}
	return fmt.Sprint(ms)
}
