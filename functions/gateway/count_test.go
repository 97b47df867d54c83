package gateway

import (
	"maps"
	"testing"

	"github.com/firnlog/firnlog/functions/emf"
)

func TestCount_TellsWhoWasTurnedAwayAndWhoHasToWait(t *testing.T) {
	for status, want := range map[int]map[string]float64{
		200: {"Requests": 1, "ReplyBytes": 2},
		401: {"Requests": 1, "ReplyBytes": 2, "Unauthorized": 1},
		429: {"Requests": 1, "ReplyBytes": 2, "Throttled": 1},
		503: {"Requests": 1, "ReplyBytes": 2, "Errors": 1},
	} {
		got := map[string]float64{}
		Count(&Reply{StatusCode: status, Body: "{}"}, func(name string, _ emf.Unit, value float64) { got[name] += value })
		if !maps.Equal(got, want) {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}
