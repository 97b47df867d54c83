package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// fill gives every field of a request a random value, arrays of a few elements.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if v.Field(i).CanSet() && f.Name != "Version" && f.Name != "ReplicaState" {
				fill(r, v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.String:
		v.SetString("abcdefgh"[:r.IntN(8)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(120)) - 3)
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	}
}

func TestShapes_WalkEveryRequestOfEveryVersionToItsLastByte(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, a := range b.apis {
		for v := a.min; v <= a.max; v++ {
			for range 50 {
				req := a.key.Request()
				req.SetVersion(v)
				fill(r, reflect.ValueOf(req).Elem(), 0)
				if t := reflect.ValueOf(req).Elem().FieldByName("UnknownTags"); t.IsValid() {
					t.Addr().Interface().(*kmsg.Tags).Set(99, []byte("tag"))
				}
				body := req.AppendTo(nil)
				if _, err := a.outline.check(body, v, req.IsFlexible(), a.noTags...); err != nil {
					t.Fatalf("%s version %d: %v", a.name(), v, err)
				}
				// One byte less is noticed, so the walk needs all of them.
				if len(body) > 0 {
					if _, err := a.outline.check(body[:len(body)-1], v, req.IsFlexible(), a.noTags...); err == nil {
						t.Fatalf("%s version %d: the outline is shorter than the request", a.name(), v)
					}
				}
			}
		}
	}
}

func TestShapes_TagsThatAreNotThereCostNothing(t *testing.T) {
	b := newBench(t)
	began := time.Now()
	for _, a := range b.apis {
		req := a.key.Request()
		req.SetVersion(a.max)
		if !req.IsFlexible() {
			continue
		}
		body := req.AppendTo(nil)
		body = kbin.AppendUvarint(body[:len(body)-1], 1<<32-1) // four billion tags follow
		frame := header(a.key.Int16(), a.max)
		c := b.dial(t)
		c.write(append(sizes(int32(len(frame)+len(body))), append(frame, body...)...))
		c.closed()
	}
	inHeader := append(header(3, 13)[:10], 0xff, 0xff, 0xff, 0xff, 0x0f)
	c := b.dial(t)
	c.write(append(sizes(int32(len(inHeader))), inHeader...))
	c.closed()
	if d := time.Since(began); d > 5*time.Second {
		t.Fatalf("took %v", d)
	}
}

// header is a flexible one without client id.
func header(key, version int16) []byte {
	h := binary.BigEndian.AppendUint16(nil, uint16(key))
	h = binary.BigEndian.AppendUint16(h, uint16(version))
	return append(h, 0, 0, 0, 1, 0xff, 0xff, 0)
}

func TestShapes_ProduceOfNothingButPartitionsIsRefused(t *testing.T) {
	req := produceOf(9, 1, "a", [16]byte{}, map[int32][]byte{0: nil})
	part := req.Topics[0].Partitions[0]
	for range 20_000 {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, part)
	}
	c := newBench(t).dial(t)
	c.send(req)
	c.closed()
}

func FuzzRequest(f *testing.F) {
	b := newBench(f, func(s *Settings) { s.AutoCreateNamesMax = 3 })
	b.topic(f, "a", 3)
	r := rand.New(rand.NewPCG(3, 4))
	for _, a := range b.apis {
		for v := a.min; v <= a.max; v++ {
			req := a.key.Request()
			req.SetVersion(v)
			f.Add(frameOf(req, 1, nil)[4:])
			fill(r, reflect.ValueOf(req).Elem(), 0)
			f.Add(frameOf(req, 1, kmsg.StringPtr("zone=a"))[4:])
		}
	}
	f.Add([]byte{0, 18, 0, 99, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		c := newConn(b.Server, &deadConn{}, "")
		c.unpoll() // nothing waits
		c.hold(&auth.Identity{Principal: auth.Anonymous()})
		began := time.Now()
		r, err := c.accept(bytes.Clone(frame), 0, closedChannel())
		if err == nil {
			resp, err := c.result(r)
			if err == nil && resp != nil {
				pieces, _ := r.encode(resp)
				answer := bytes.Join(pieces, nil)
				if int(binary.BigEndian.Uint32(answer)) != len(answer)-4 || !bytes.Equal(answer[4:8], frame[4:8]) {
					t.Fatal("answer is not framed as the request's")
				}
				back := resp.RequestKind().ResponseKind()
				back.SetVersion(resp.GetVersion())
				at := 8
				if resp.IsFlexible() && r.api.key != kmsg.ApiVersions {
					at++
				}
				if err := back.ReadFrom(answer[at:]); err != nil {
					t.Fatalf("answer cannot be read: %v", err)
				}
			}
			r.drop()
		}
		if log := b.logged.String(); bytes.Contains([]byte(log), []byte("panicked")) {
			t.Fatal(log)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
