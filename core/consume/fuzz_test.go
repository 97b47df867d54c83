package consume

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzDecode: a seat that is read is written and read to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"format":"json","reset":"earliest","autoCommit":true,"ttlMs":60000,"names":["a"],"epoch":2,"places":[{"topic":"a","id":"AAAAAAAAAAAAAAAAAAAAAQ","partition":1,"position":5,"moved":true}],"turn":7}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		s.owned()
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(value)
		if second, err2 := json.Marshal(again); err != nil || err2 != nil || !reflect.DeepEqual(value, second) {
			t.Fatalf("%s is read as %s: %v, %v", value, second, err, err2)
		}
	})
}
