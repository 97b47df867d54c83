package config

import (
	"strings"
	"testing"
	"time"
)

func TestBench_SaysAllThatIsWrong(t *testing.T) {
	b := Bench{Partitions: 0, Clients: 1, Rate: 1, ValueBytes: 4, Bytes: 2, For: time.Second, Timeout: time.Second}
	err := b.Validate()
	for _, want := range []string{"--partitions", "--value-bytes", "--bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: nothing of %s", err, want)
		}
	}
	good := Bench{Partitions: 1, Clients: 1, Rate: 1, ValueBytes: 8, Bytes: 8, For: time.Second, Timeout: time.Second}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
