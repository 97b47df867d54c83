package config

import "fmt"

// Fsck are the settings of firnlog fsck.
type Fsck struct {
	Place
	Deep   bool    `name:"deep" help:"Read and check every byte that is referred to, too. It takes as long as reading all data does."`
	Sample float64 `name:"sample" placeholder:"PART" help:"Read and check the bytes of this part of all objects, 0 to 1, chosen at random."`
	After  string  `name:"after" placeholder:"PLACE" help:"Go on with reading bytes where an interrupted --deep was; it has said where."`
	JSON   bool    `name:"json" help:"Print the report as JSON."`
}

// Check reports all that is wrong at once.
func (f *Fsck) Check() error {
	if f.Sample < 0 || f.Sample > 1 {
		return fmt.Errorf("--sample %v: want a part from 0 to 1", f.Sample)
	}
	return f.Place.Check()
}

// Inspect are the settings of firnlog inspect.
type Inspect struct {
	Place
	What string `arg:"" enum:"segment,settled,manifest,commit,head,topic,backup,journal" help:"Kind of thing: segment, settled, manifest, commit, head, topic, backup or journal."`
	Name string `arg:"" optional:"" help:"A file, a key, an id; TOPIC or TOPIC/PARTITION of topics and heads. Without it what there is is listed."`
	JSON bool   `name:"json" help:"Print it as JSON."`
}

// Cost are the settings of firnlog cost.
type Cost struct {
	Place
	Metrics []string `name:"metrics" placeholder:"HOST:PORT" help:"HTTP addresses of all running brokers: requests are counted by them. Without it requests are estimated from what was written."`
	Prices  string   `name:"prices" type:"existingfile" placeholder:"FILE" help:"Prices to reckon with, instead of the built-in list prices (firnlog cost --show-prices)."`
	Show    bool     `name:"show-prices" help:"Print the prices as a file to change, and nothing else."`
	JSON    bool     `name:"json" help:"Print the result as JSON."`
}
