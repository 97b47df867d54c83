package topic

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Kind is a config's type; the numbers are those of Kafka's DescribeConfigs.
type Kind int8

// The kinds.
const (
	Boolean Kind = 1
	String  Kind = 2
	Int     Kind = 3
	Long    Kind = 5
	Double  Kind = 6
	List    Kind = 7
)

// Config describes one topic config.
type Config struct {
	Name    string
	Kind    Kind
	Default string
	// Used says that firnlog acts on it. The others are checked, kept and shown, so that tools that
	// set them go on working.
	Used bool
	// Synonym is the broker-wide name that Kafka's tools show as the source of the default.
	Synonym string
	Doc     string

	check check
}

// check says what is wrong with a value, as the end of a sentence; "" when nothing is.
type check func(value string) string

// Lookup finds a config by name.
func Lookup(name string) (Config, bool) {
	for i := range table {
		if table[i].Name == name {
			return table[i], true
		}
	}
	return Config{}, false
}

// Table lists all topic configs, sorted by name.
func Table() []Config { return slices.Clone(table[:]) }

// CheckConfigs says all that is wrong with the configs of a topic, sorted by name.
func CheckConfigs(configs map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		c, ok := Lookup(name)
		if !ok {
			errs = append(errs, fmt.Errorf("%w: unknown config %q", ErrInvalidConfig, name))
			continue
		}
		if wrong := c.wrong(configs[name]); wrong != "" {
			errs = append(errs, fmt.Errorf("%w: %s is %q: %s", ErrInvalidConfig, name, configs[name], wrong))
		}
	}
	if len(errs) == 0 {
		return checkTogether(configs)
	}
	return errors.Join(errs...)
}

// checkTogether refuses values that contradict each other.
func checkTogether(configs map[string]string) error {
	least, most := number(configs, MinCompactionLagMs), number(configs, MaxCompactionLagMs)
	if least > most {
		return fmt.Errorf("%w: %s (%d) is above %s (%d)", ErrInvalidConfig, MinCompactionLagMs, least, MaxCompactionLagMs, most)
	}
	return nil
}

func (c Config) wrong(value string) string {
	switch c.Kind {
	case Boolean:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return "want true or false"
		}
	case Int:
		if _, err := strconv.ParseInt(value, 10, 32); err != nil {
			return "want a whole number of 32 bits"
		}
	case Long:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return "want a whole number of 64 bits"
		}
	case Double:
		if f, err := strconv.ParseFloat(value, 64); err != nil || math.IsNaN(f) {
			return "want a number"
		}
	}
	if c.check == nil {
		return ""
	}
	return c.check(value)
}

func atLeast(low int64) check { return between(low, math.MaxInt64) }

func between(low, high int64) check {
	return func(value string) string {
		n, err := strconv.ParseInt(value, 10, 64)
		if err == nil && low <= n && n <= high {
			return ""
		}
		if high == math.MaxInt64 {
			return fmt.Sprintf("want %d or more", low)
		}
		return fmt.Sprintf("want %d to %d", low, high)
	}
}

func fraction(value string) string {
	if f, err := strconv.ParseFloat(value, 64); err != nil || f < 0 || f > 1 {
		return "want 0 to 1"
	}
	return ""
}

func oneOf(allowed ...string) check {
	return func(value string) string {
		if slices.Contains(allowed, value) {
			return ""
		}
		return "want one of " + strings.Join(allowed, ", ")
	}
}

func listOf(allowed ...string) check {
	one := oneOf(allowed...)
	return func(value string) string {
		for _, s := range items(value) {
			if wrong := one(s); wrong != "" {
				return "each item: " + wrong
			}
		}
		return ""
	}
}

// number gives the effective value of a whole-number config whose name is in the table.
func number(configs map[string]string, name string) int64 {
	if v, ok := configs[name]; ok {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	def, _ := Lookup(name)
	n, _ := strconv.ParseInt(def.Default, 10, 64)
	return n
}
