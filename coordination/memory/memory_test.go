package memory

import (
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/kvtest"
)

func TestConformance(t *testing.T) {
	kvtest.Run(t, func(*testing.T) coordination.KV { return New(Settings{}) })
}

func TestConformance_InABubbleWithFakeTime(t *testing.T) {
	for _, c := range kvtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Run(t, New(Settings{})) })
		})
	}
}
