package differential

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// flatten writes each field of a response under its path: Topics[t].Partitions[0].ErrorCode.
//
// Elements of lists go by their name, not by their place: Kafka keeps no order in most answers. Where
// order is promised, the script looks at it itself.
func (y *symbols) flatten(resp kmsg.Response, out map[string]string) {
	y.walk("", reflect.ValueOf(resp).Elem(), out)
}

func (y *symbols) walk(path string, v reflect.Value, out map[string]string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == "Version" || f.Name == "UnknownTags" || f.Name == "ThrottleMillis" {
			continue
		}
		name := f.Name
		if path != "" {
			name = path + "." + f.Name
		}
		y.field(name, f.Name, v.Field(i), out)
	}
}

func (y *symbols) field(path, name string, v reflect.Value, out map[string]string) {
	if b, ok := v.Interface().([]byte); ok {
		out[path] = y.bytes(name, b)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil():
			out[path] = null
		case v.Elem().Kind() == reflect.Struct:
			y.walk(path, v.Elem(), out)
		default:
			y.field(path, name, v.Elem(), out)
		}
	case reflect.Struct:
		y.walk(path, v, out)
	case reflect.Slice:
		y.list(path, name, v, out)
	default:
		out[path] = y.scalar(name, v)
	}
}

const null = "null"

func (y *symbols) list(path, name string, v reflect.Value, out map[string]string) {
	if v.Len() == 0 {
		out[path] = "empty"
		if v.IsNil() {
			out[path] = null
		}
		return
	}
	if v.Type().Elem().Kind() != reflect.Struct {
		var all []string
		for i := range v.Len() {
			all = append(all, y.scalar(name, v.Index(i)))
		}
		out[path] = strings.Join(all, " ")
		return
	}
	out[path] = "some"
	for i := range v.Len() {
		id := y.identity(v.Index(i))
		// A topic may be spread over several elements; its partitions may not come twice.
		if spread := v.Index(i).FieldByName("Partitions").IsValid() && v.Index(i).FieldByName("Partitions").Kind() == reflect.Slice; !spread {
			for n, name := 1, id; out[path+"["+id+"]"] != ""; n++ {
				id = fmt.Sprintf("%s, again %d", name, n)
			}
		}
		out[path+"["+id+"]"] = "there"
		y.walk(path+"["+id+"]", v.Index(i), out)
	}
}

// identity is what an element of a list is called by.
func (y *symbols) identity(v reflect.Value) string {
	if name := topicName(v); name != "" {
		return name
	}
	if id, ok := interfaceOf(v, "TopicID").([16]byte); ok && id != ([16]byte{}) {
		if name := y.names[id]; name != "" {
			return name
		}
		return y.id(id)
	}
	for _, field := range []string{"Partition", "ResourceName", "Name", "Group", "Key", "MemberID", "APIKey", "ApiKey"} {
		f := v.FieldByName(field)
		if !f.IsValid() {
			continue
		}
		switch field {
		case "APIKey", "ApiKey":
			return kmsg.NameForKey(int16(f.Int()))
		case "ResourceName":
			return y.resource(f.String())
		case "MemberID":
			return y.scalar(field, f)
		}
		return fmt.Sprint(f.Interface())
	}
	return ""
}

// resource is the name of a resource of configs: the broker's own id differs.
func (y *symbols) resource(name string) string {
	if name == fmt.Sprint(y.node) {
		return "node"
	}
	return name
}

func interfaceOf(v reflect.Value, field string) any {
	if f := v.FieldByName(field); f.IsValid() {
		return f.Interface()
	}
	return nil
}

// scalar gives a value as text, with symbols where clusters must differ.
func (y *symbols) scalar(name string, v reflect.Value) string {
	if id, ok := v.Interface().([16]byte); ok {
		return y.id(id)
	}
	switch name {
	case "ErrorCode":
		return errorName(int16(v.Int()))
	case "ErrorMessage", "Documentation":
		if v.String() == "" {
			return "empty"
		}
		return "text"
	case "Host", "Port", "ClusterID", "Rack":
		return strings.ToLower(name)
	case "ResourceName":
		return y.resource(v.String())
	case "NodeID", "ControllerID", "Leader", "LeaderID", "Replicas", "ISR", "OfflineReplicas", "PreferredReadReplica":
		if v.Kind() == reflect.String { // of a group, the id of a member
			return y.member(v.String())
		}
		if int32(v.Int()) == y.node {
			return "node"
		}
	case "ProducerID":
		if v.Int() >= 0 {
			return y.producer(v.Int())
		}
	case "FinalizedFeaturesEpoch":
		if v.Int() >= 0 {
			return "epoch"
		}
	case "SessionID":
		if v.Int() != 0 {
			return y.named("session", fmt.Sprint(v.Int()))
		}
	case "MemberID":
		return y.member(v.String())
	case "Timestamp", "LogAppendTime":
		return y.moment(v.Int())
	}
	return fmt.Sprint(v.Interface())
}

func errorName(code int16) string {
	if code == 0 {
		return "none"
	}
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return fmt.Sprint(code)
}

// bytes describes record batches one by one, other bytes as they are.
func (y *symbols) bytes(name string, b []byte) string {
	switch {
	case b == nil:
		return null
	case name != "RecordBatches":
		return fmt.Sprintf("%q", b)
	case len(b) == 0:
		return "empty"
	}
	var out []string
	for len(b) >= record.HeaderSize {
		h, err := record.Check(b[:min(len(b), batchSize(b))])
		if err != nil {
			break // a part of a batch at the end, which is allowed
		}
		out = append(out, y.batch(b[:h.Size], h))
		b = b[h.Size:]
	}
	if len(out) == 0 {
		return "no whole batch"
	}
	return strings.Join(out, "; ")
}

// batch describes a batch: its header, and its records as they are unpacked, since no two compressors agree.
func (y *symbols) batch(b []byte, h record.Header) string {
	records := fnv.New64a()
	for r, err := range record.Records(b, record.DecompressedBytesMax) {
		if err != nil {
			return fmt.Sprintf("%d+%d unreadable", h.BaseOffset, h.Records)
		}
		fmt.Fprintf(records, "%d %d %q %q %q\n", r.OffsetDelta, r.TimestampDelta, r.Key, r.Value, r.Headers)
	}
	producer := "none"
	if h.Producer >= 0 {
		producer = y.producer(int64(h.Producer))
	}
	return fmt.Sprintf("%d+%d epoch %d attributes %#x time %s-%s producer %s/%d/%d records %x", h.BaseOffset, h.Records, h.LeaderEpoch, h.Attributes,
		y.moment(h.FirstTimestamp), y.moment(h.MaxTimestamp), producer, h.Epoch, h.FirstSequence, records.Sum64())
}

// batchSize is the size that a batch says it has.
func batchSize(b []byte) int {
	h, err := record.ReadHeader(b)
	if err != nil {
		return len(b)
	}
	return int(h.Size)
}
