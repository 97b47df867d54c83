package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Deliver are the settings of the function that delivers to another one, beside those of all functions. The event of an invocation may
// set those with a JSON name in its place.
type Deliver struct {
	Function   string        `env:"FIRNLOG_DELIVER_FUNCTION" json:"function" help:"Name or ARN of the function that is invoked with records."`
	Group      string        `env:"FIRNLOG_DELIVER_GROUP" default:"deliver" json:"group" help:"Consumer group to read for."`
	Topics     []string      `env:"FIRNLOG_DELIVER_TOPICS" json:"topics" help:"Topics to deliver; one that begins with ^ is a regular expression instead of a list."`
	Batch      int           `env:"FIRNLOG_DELIVER_BATCH" default:"100" json:"batch" help:"Most records of an event; fewer where 6 MB are reached."`
	Attempts   int           `env:"FIRNLOG_DELIVER_ATTEMPTS" default:"3" json:"attempts" help:"How often a batch that is not split any more is tried before it is given up."`
	Bisect     bool          `env:"FIRNLOG_DELIVER_BISECT" default:"true" negatable:"" json:"bisect" help:"Split a batch that fails, so that only the records at fault are given up."`
	DeadLetter string        `env:"FIRNLOG_DELIVER_DEAD_LETTER_TOPIC" json:"deadLetterTopic" help:"Topic of records that are given up. Without it none is: their partition stands still."`
	Parallel   int           `env:"FIRNLOG_DELIVER_PARALLEL" default:"4" json:"parallel" help:"Partitions that are delivered at a time."`
	Start      string        `env:"FIRNLOG_DELIVER_START" default:"earliest" json:"start" help:"Where a partition begins that the group has committed nothing of: earliest or latest."`
	Wait       time.Duration `env:"FIRNLOG_DELIVER_WAIT" default:"3s" json:"-" help:"How long to wait for records where there are none, before the invocation ends."`
	Reserve    time.Duration `env:"FIRNLOG_DELIVER_RESERVE" default:"1s" json:"-" help:"What an invocation of the function takes: with less time left, or less than the slowest so far took, none is begun."`
	Fetch      Bytes         `env:"FIRNLOG_DELIVER_FETCH" default:"4MiB" json:"-" help:"Bytes that are read at a time."`
	Bootstrap  string        `env:"FIRNLOG_DELIVER_BOOTSTRAP" json:"-" help:"What events say in bootstrapServers."`
}

const batchMax = 10000

// Pattern is the regular expression of topics; "": there is a list.
func (d *Deliver) Pattern() string {
	if len(d.Topics) > 0 && strings.HasPrefix(d.Topics[0], "^") {
		return strings.Join(d.Topics, ",") // a comma may be part of it
	}
	return ""
}

// Validate reports all that is wrong.
func (d *Deliver) Validate() error {
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	wrong(d.Function == "", "no function: set FIRNLOG_DELIVER_FUNCTION")
	wrong(d.Group == "", "no group: set FIRNLOG_DELIVER_GROUP")
	wrong(len(d.Topics) == 0 || d.Topics[0] == "", "no topics: set FIRNLOG_DELIVER_TOPICS")
	wrong(d.Batch < 1 || d.Batch > batchMax, "a batch of %d records: 1 to %d", d.Batch, batchMax)
	wrong(d.Attempts < 1, "%d attempts: at least 1", d.Attempts)
	wrong(d.Parallel < 1, "%d partitions at a time: at least 1", d.Parallel)
	wrong(d.Start != "earliest" && d.Start != "latest", "start %q: earliest or latest", d.Start)
	wrong(d.Fetch < 1, "FIRNLOG_DELIVER_FETCH is %d: at least 1", d.Fetch)
	if p := d.Pattern(); p != "" {
		re, err := regexp.Compile("^(?:" + p + ")$")
		wrong(err != nil, "topics %q: %v", p, err)
		wrong(err == nil && d.DeadLetter != "" && re.MatchString(d.DeadLetter), "the dead-letter topic %q is one of those that are delivered: name it otherwise", d.DeadLetter)
	} else {
		wrong(d.DeadLetter != "" && slices.Contains(d.Topics, d.DeadLetter), "the dead-letter topic %q is one of those that are delivered", d.DeadLetter)
	}
	return errors.Join(all...)
}
