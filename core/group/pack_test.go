package group

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/firnlog/firnlog/coordination"
)

func TestState_AGroupOfAThousandMembersFitsIntoOneTransaction(t *testing.T) {
	s := newState()
	s.Phase = Stable
	for i := range 1000 {
		id := fmt.Sprintf("consumer-of-something-%d-c80582322b7e3ac13e1d72eb00ce77fd", i)
		metadata := append(wants("orders", "payments", "shipments"), make([]byte, 2000)...)
		s.add(&Member{ID: id, Client: "client", Host: "/10.0.0.1", Classic: true, Assignment: metadata[:500],
			Protocols: []Protocol{{"range", metadata}, {"cooperative-sticky", metadata}}})
	}
	b := s.encode()
	if len(b) > coordination.CommitBytesMax/2 {
		t.Errorf("%d bytes", len(b))
	}
	back, err := decodeState(b)
	if err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("it does not come back: %v", err)
	}
	for n := range 50 {
		if _, err := decodeState(b[:n]); err == nil {
			t.Errorf("%d bytes of it are a group", n)
		}
	}
}
