package memory_test

import (
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestMemory_KeepsThePromisesOfStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) objectstore.Store { return memory.New() })
}
