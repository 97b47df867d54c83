package wire

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/acl"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// Topic, group and transactional id have one name, so that every text of a request may be any of them. The other name is of nothing, and as long.
const (
	secret  = "secret"
	nothing = "absent"
)

// vault is a server with something to hide from who comes by its open listener.
type vault struct {
	*bench
	acls   *acl.ACLs
	topic  *ledger.Topic
	denied atomic.Int64 // refusals that were told of
}

func (v *vault) audit() auth.Authorizer {
	return &acl.Audit{Authorizer: v.acls, FrontEnd: "kafka", Log: slog.New(slog.DiscardHandler), Denied: func(string, string, string) { v.denied.Add(1) }}
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{bench: newBench(t)}
	v.cluster.set(v.cluster.live[0])
	v.topic = v.bench.topic(t, secret, 1)
	v.logs.append(ingestOf(record.TopicPartition{Topic: v.topic.ID}, append(batchOf(1, 0), "a record of "+secret...)))
	err := v.groups.CommitOffsets(t.Context(), secret, group.CommitRequest{CommitCheck: group.CommitCheck{Generation: -1}, Topics: []group.CommitTopic{
		{Name: secret, ID: v.topic.ID, Partitions: map[int32]group.Committed{0: {Offset: 1}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.backend.Transactions.Init(t.Context(), secret, 1000, txn.Identity{Producer: -1, Epoch: -1}); err != nil {
		t.Fatal(err)
	}
	kv, keys := memory.New(memory.Settings{}), coordination.NewKeys("test")
	if _, err := kv.Commit(t.Context(), nil, []coordination.Change{coordination.PutKey(keys.Format(), format)}); err != nil {
		t.Fatal(err)
	}
	v.acls = acl.New(acl.Settings{KV: kv, Keys: keys, Now: time.Now, Log: slog.New(slog.DiscardHandler), Visits: true})
	v.grant(t, acl.Binding{Type: auth.ResourceTopic, Name: secret, Pattern: acl.PatternLiteral, Principal: "User:somebody", Host: "*", Operation: auth.OperationAll, Permission: acl.PermissionAllow})
	v.guards.Authorizer, v.guards.ACLs = v.audit(), v.acls
	v.guards.Quotas = quotasOn(t, kv, keys)
	limit(t, v.guards.Quotas, quota.Entity{User: quota.Named(secret)}, quota.ProducerByteRate, 1e9)
	return v
}

func (v *vault) grant(t *testing.T, list ...acl.Binding) {
	t.Helper()
	for _, err := range v.acls.Create(context.Background(), list) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// grantNeed lets everybody do what a row of the table says.
func (v *vault) grantNeed(t *testing.T, n need) {
	t.Helper()
	b := acl.Binding{Type: n.on, Name: secret, Pattern: acl.PatternLiteral, Principal: "User:*", Host: "*", Operation: n.op, Permission: acl.PermissionAllow}
	if n.on == auth.ResourceUser {
		b.Type = auth.ResourceCluster
	}
	if b.Type == auth.ResourceCluster {
		b.Name = auth.ClusterName
	}
	v.grant(t, b)
}

// state is all that requests could change.
func (v *vault) state(t *testing.T) string {
	t.Helper()
	page, err := v.topics.kv.List(t.Context(), coordination.Range{Prefix: v.topics.keys.Root()})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := v.acls.List(t.Context(), acl.Everything())
	if err != nil {
		t.Fatal(err)
	}
	limits, err := v.guards.Quotas.List(t.Context(), quota.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	bounds, err := v.logs.Bounds(t.Context(), record.TopicPartition{Topic: v.topic.ID})
	return fmt.Sprint(page.Items, rules, limits, bounds, err, v.logs.added())
}

// filling is how a request is filled in.
type filling struct {
	name string
	id   record.TopicID // zero: topics are named
	kind int8           // of resources and coordinators
	all  bool           // nothing is named: everything is meant
}

// fill fills in a request as reflection finds it.
func (f filling) fill(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
		d.Default()
	}
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && field.Name != "Version" && field.Name != "UnknownTags" {
			f.field(field.Name, v.Field(i))
		}
	}
}

func (f filling) field(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.name)
	case reflect.Pointer:
		if f.id != (record.TopicID{}) && name == "Topic" || name == "Cursor" {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.field(name, v.Elem())
	case reflect.Struct:
		f.fill(v)
	case reflect.Array:
		reflect.Copy(v, reflect.ValueOf(f.id[:]))
	case reflect.Slice:
		f.slice(name, v)
	case reflect.Int8:
		if !slices.Contains([]string{"IsolationLevel", "ElectionType", "EndpointType", "Op", "Mechanism"}, name) {
			v.SetInt(int64(f.kind))
		}
	case reflect.Int16:
		if name == "Acks" {
			v.SetInt(1)
		}
	case reflect.Int32:
		if slices.Contains([]string{"MaxBytes", "PartitionMaxBytes", "TimeoutMillis", "Count", "ResponsePartitionLimit"}, name) {
			v.SetInt(1 << 20)
		}
	case reflect.Bool:
		v.SetBool(name != "ValidateOnly" && name != "ValidateOnlyConfigs")
	}
}

func (f filling) slice(name string, v reflect.Value) {
	if f.all {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(batchOf(1, 0))
		return
	}
	if name == "ReplicaAssignment" || name == "Assignment" {
		return
	}
	one := reflect.New(v.Type().Elem()).Elem()
	f.field(name, one)
	v.Set(reflect.Append(v, one))
}

// request makes one of a key and version.
func (f filling) request(key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	f.fill(reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	if fetching, ok := req.(*kmsg.FetchRequest); ok {
		fetching.SessionEpoch, fetching.ReplicaID, fetching.MaxWaitMillis, fetching.ForgottenTopics = -1, -1, 0, nil
		fetching.ReplicaState = kmsg.NewFetchRequestReplicaState()
	}
	if init, ok := req.(*kmsg.InitProducerIDRequest); ok && f.kind == 0 {
		init.TransactionalID = nil
	}
	return req
}

// answer is what somebody gets who asks on a connection of their own, as bytes; the names that were asked for are blotted out.
func (v *vault) answer(t *testing.T, f filling, key, version int16) (kmsg.Response, string) {
	t.Helper()
	req := f.request(key, version)
	c := v.dial(t)
	defer c.nc.Close()
	resp := c.call(req)
	text := resp.AppendTo(nil)
	for _, hide := range [][]byte{[]byte(f.name), f.id[:]} {
		if len(bytes.Trim(hide, "\x00")) > 0 {
			text = bytes.ReplaceAll(text, hide, []byte("<name>"))
		}
	}
	return resp, string(text)
}

// codesIn are all error codes in a response.
func codesIn(v reflect.Value) (out []int16) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return codesIn(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, codesIn(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "ErrorCode" || name == "ConfigErrorCode" {
				out = append(out, int16(v.Field(i).Int()))
			} else if v.Type().Field(i).IsExported() && name != "UnknownTags" {
				out = append(out, codesIn(v.Field(i))...)
			}
		}
	}
	return out
}

func ingestOf(tp record.TopicPartition, b []byte) ingest.Incoming {
	return ingest.Incoming{Partition: tp, Batch: b}
}
