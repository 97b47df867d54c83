package quota

import (
	"fmt"
	"maps"
	"math"
)

// Kind is what a limit is of.
type Kind int

// Kinds of limits. The order is that of the names.
const (
	Produce    Kind = iota // bytes of Produce requests a second
	Fetch                  // bytes of records in Fetch answers a second
	Request                // time spent on requests: 100 is a second a second, one core that does nothing else
	Mutation               // partitions created and deleted a second
	Connection             // connections of an address a second
	kinds
)

// String is the kind in metrics.
func (k Kind) String() string {
	return [kinds]string{"produce", "fetch", "request", "mutation", "connection"}[k]
}

// Kafka's names of limits.
const (
	ProducerByteRate   = "producer_byte_rate"
	ConsumerByteRate   = "consumer_byte_rate"
	RequestPercentage  = "request_percentage"
	MutationRate       = "controller_mutation_rate"
	ConnectionRate     = "connection_creation_rate"
	integerTolerance   = 1e-6 // as Kafka reads whole numbers out of its doubles
	connectionRateMost = math.MaxInt32
)

// kindOf gives the kind of a limit by Kafka's name.
func kindOf(key string) (Kind, bool) {
	switch key {
	case ProducerByteRate:
		return Produce, true
	case ConsumerByteRate:
		return Fetch, true
	case RequestPercentage:
		return Request, true
	case MutationRate:
		return Mutation, true
	case ConnectionRate:
		return Connection, true
	}
	return 0, false
}

// Quota is an entity with its limits, by Kafka's names. Limits is shared and not changed.
type Quota struct {
	Entity
	Limits map[string]float64
}

// Op sets a limit, or removes it.
type Op struct {
	Key    string
	Value  float64
	Remove bool
}

// checkKey says whether the entity may have such a limit.
func (e Entity) checkKey(key string) error {
	kind, known := kindOf(key)
	if !known || (kind == Connection) != (e.IP.kind != absent) {
		return fmt.Errorf("%w: there is no %q of such an entity", ErrInvalid, key)
	}
	return nil
}

func (e Entity) checkLimit(key string, v float64) error {
	if err := e.checkKey(key); err != nil {
		return err
	}
	kind, _ := kindOf(key)
	whole := kind != Request && kind != Mutation
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || v <= 0:
		return fmt.Errorf("%w: %s must be above 0", ErrInvalid, key)
	case whole && math.Abs(v-math.Round(v)) > integerTolerance, whole && v >= math.MaxInt64, kind == Connection && v > connectionRateMost:
		return fmt.Errorf("%w: %s must be a whole number", ErrInvalid, key)
	}
	return nil
}

// checkOps reports what is wrong with a change.
func (e Entity) checkOps(ops []Op) error {
	if err := e.Check(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, op := range ops {
		if seen[op.Key] {
			return fmt.Errorf("%w: %s is named more than once", ErrInvalid, op.Key)
		}
		seen[op.Key] = true
		check := e.checkLimit(op.Key, op.Value)
		if op.Remove {
			check = e.checkKey(op.Key)
		}
		if check != nil {
			return check
		}
	}
	return nil
}

// apply gives limits after a change.
func apply(limits map[string]float64, ops []Op) map[string]float64 {
	out := maps.Clone(limits)
	if out == nil {
		out = map[string]float64{}
	}
	for _, op := range ops {
		if op.Remove {
			delete(out, op.Key)
		} else {
			out[op.Key] = op.Value
		}
	}
	return out
}
